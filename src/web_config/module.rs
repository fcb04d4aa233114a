//! What passes requests of IIS on to a server.

use std::fmt;

/// The IIS module that passes requests to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// iisnode, which runs Node.
    IisNode,
    /// HttpPlatformHandler.
    HttpPlatform,
    /// The ASP.NET Core Module.
    AspNetCore,
    /// URL Rewrite and Application Request Routing, to a server that IIS does not start.
    ReverseProxy,
}

impl Module {
    /// The module with this name in a handler.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "iisnode" => Some(Module::IisNode),
            "httpplatformhandler" => Some(Module::HttpPlatform),
            _ if name.starts_with("aspnetcoremodule") => Some(Module::AspNetCore),
            _ => None,
        }
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Module::IisNode => "iisnode",
            Module::HttpPlatform => "HttpPlatformHandler",
            Module::AspNetCore => "ASP.NET Core Module",
            Module::ReverseProxy => "URL Rewrite and ARR (reverse proxy)",
        })
    }
}
