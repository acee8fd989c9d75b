# Installs Debian packages without starting their services: a policy that refuses every start stands while it runs.
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
# An index that cannot be refreshed in part may still have the package.
apt-get -o DPkg::Lock::Timeout=600 update || true
apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
