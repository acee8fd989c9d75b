# Unpacks the MySQL of Debian's unstable release, with the libraries it was built for, into the folder $1. Root is not
# needed: apt works in that folder, on a list of sources made from this machine's own, and checks signatures as ever.
set -e
target=$1
rm -rf "$target"
mkdir -p "$target/apt/lists/partial" "$target/apt/archives/partial" "$target/tree" "$target/bin"
cd "$target/apt"

ID=unknown PRETTY_NAME='an unknown system'
[ ! -r /etc/os-release ] || . /etc/os-release
if [ "$ID" != debian ] || ! command -v apt-get >/dev/null; then
    echo "this is $PRETTY_NAME and not Debian"
    exit 1
fi
# What a `[signed-by=…]` of the machine's list says is not told; a Debian system has this file.
keyring=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -n 1)
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v name="$VERSION_CODENAME" '$2 == "main" && ($1 == name || $1 ~ /^(stable|testing|unstable|sid)$/) { print $3; exit }')
if [ -z "$mirror" ]; then
    echo "apt's sources name no mirror of Debian"
    exit 1
fi
echo "deb [signed-by=$keyring target=Packages] $mirror sid main" >sources.list

# A system without any package needs all that the server depends on, down to the C library.
: >status
apt() {
    apt-get -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State="$PWD" -o Dir::State::status="$PWD/status" -o Dir::Cache="$PWD" \
        -o APT::Sandbox::User= -o APT::Update::Post-Invoke::= -o Acquire::Languages=none "$@"
}
# The machine may have a hook that empties its own folders, which this user may not.
apt update || [ -n "$(ls lists/*_Packages 2>/dev/null)" ]
apt install --yes --no-install-recommends --download-only mysql-server-core
for package in archives/*.deb; do
    dpkg-deb -x "$package" "$target/tree"
done
cd "$target"
rm -r apt

cat >bin/mysqld <<'SH'
#!/bin/sh
folder=$(cd "$(dirname "$0")/.." && pwd)
usr=$folder/tree/usr
# Where the loader lies depends on the processor.
exec "$(ls "$usr"/lib*/ld-linux*)" --library-path "$(ls -d "$usr"/lib/*-linux-gnu*)" "$usr/sbin/mysqld" \
    --no-defaults --basedir="$usr" --plugin-dir="$usr/lib/mysql/plugin" --lc-messages-dir="$usr/share/mysql" "$@"
SH
chmod 755 bin/mysqld

# Takes seconds, so that each server begins with a copy.
bin/mysqld --initialize-insecure --user="$(id -un)" --datadir="$target/data" --secure-file-priv= --skip-log-bin
rm data/auto.cnf
chmod -R a+rX "$target"
