//! Handlers as routes.

/// Makes the routes of handlers that `#[utoipa::path]` describes, as two functions: `router`, which serves them, and
/// `document`, their part of the OpenAPI document. They are apart because writing the document takes longer than all else
/// of a router, and a function of a deployment does not show it.
///
/// ```ignore
/// tidegate_http::routes!(AuthState: me::me, keys::create, keys::list, keys::revoke);
/// ```
#[macro_export]
macro_rules! routes {
    ($state:ty: $($module:ident :: $handler:ident),+ $(,)?) => {
        /// The routes of this function.
        pub fn router(state: $state) -> axum::Router {
            use utoipa::Path;
            use utoipa_axum::PathItemExt;

            let router = axum::Router::new();
            $(
                let router = utoipa_axum::paste! {{
                    let path = $module::[<__path_ $handler>]::path();
                    let methods = $module::[<__path_ $handler>]::methods();
                    methods.iter().fold(router, |router, method| {
                        router.route(&path, axum::routing::on(method.to_method_filter(), $module::$handler))
                    })
                }};
            )+
            router.with_state(state)
        }

        /// Their part of the OpenAPI document.
        pub fn document() -> utoipa::openapi::OpenApi {
            utoipa_axum::router::OpenApiRouter::<$state>::new()
                $(.routes(utoipa_axum::routes!($module::$handler)))+
                .into_openapi()
        }
    };
}
