//! Each file that cannot work is refused, with the one error that names the cause.

use super::super::Severity;
use super::{checked, files};

/// The file, the line of the error, and what it says, with the requests that it concerns.
const FILES: &[(&str, u32, &str)] = &[
    (
        "abort",
        10,
        "the rule shield cuts the connection (for handshake, poll, POST, WebSocket, preflight)",
    ),
    (
        "abort_upgrades",
        10,
        "the rule no upgrades cuts the connection (for WebSocket, WebSocket of 0.9)",
    ),
    (
        "access_policy",
        4,
        "the handler parlance needs the right Script, and accessPolicy does not give it",
    ),
    (
        "addresses_all_denied",
        10,
        "ipSecurity refuses every address: this mask takes in all of them",
    ),
    (
        "addresses_loopback",
        9,
        "ipSecurity refuses every address that it does not name, and names none of a client",
    ),
    (
        "addresses_unlisted",
        9,
        "ipSecurity refuses every address that it does not name, and names none of a client",
    ),
    ("arr_after_spa", 6, "the rule spa takes requests to /index.html, away from the server"),
    ("arr_case", 6, "the rule to the chat passes on ^(Socket\\.IO/.*) alone"),
    ("arr_chat_path", 6, "the rule to the chat passes on ^chat/(.*) alone"),
    (
        "arr_condition",
        6,
        "the rule to the chat would pass requests on, and its conditions do not hold",
    ),
    ("arr_disabled", 6, "the rule to the chat would pass requests on, and is off"),
    ("arr_exact", 6, "the rule to the chat passes on socket.io alone"),
    ("arr_negated", 6, "the rule to the chat passes on all but ^socket\\.io/"),
    ("arr_other_path", 6, "the rule to the chat passes on ^api/(.*) alone"),
    ("arr_proxy_off", 4, "the rule to the chat needs the proxy of ARR, which is off here"),
    (
        "arr_upgrades_alone",
        6,
        "the rule upgrades would pass requests on, and its conditions do not hold (for handshake, poll, POST, handshake of 0.9, preflight)",
    ),
    (
        "contradiction",
        8,
        "the server does not start with this: redirect-port: there is no https here without tls-cert",
    ),
    ("custom_response", 10, "the rule shield answers 403 in place of the server"),
    (
        "exemption_goes_on",
        14,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO",
    ),
    (
        "exemption_of_polls_alone",
        17,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO (for WebSocket, handshake of 0.9, WebSocket of 0.9)",
    ),
    ("extensionless_denied", 11, "request filtering refuses fileExtension=\".\""),
    ("extensions", 10, "request filtering refuses what <fileExtensions> does not name"),
    (
        "filtering_rule",
        14,
        "the filtering rule injections refuses requests with `eio` (for handshake, poll, POST, WebSocket, preflight)",
    ),
    (
        "filtering_rule_headers",
        16,
        "the filtering rule upgrades refuses requests with `websocket` (for WebSocket, WebSocket of 0.9)",
    ),
    ("handler_classic", 5, "the handler parlance is for application pools in classic mode alone"),
    (
        "handler_for_either",
        5,
        "the handler parlance takes what is there on the disk alone (resourceType=\"Either\"), and the engine's addresses are no files",
    ),
    (
        "handler_for_files",
        5,
        "the handler parlance takes what is there on the disk alone (resourceType=\"File\"), and the engine's addresses are no files",
    ),
    ("handler_path", 5, "the handler parlance takes path=\"chat/*\" alone"),
    ("handler_removed", 6, "<remove> takes the handler parlance out again"),
    ("handler_twice", 6, "there is a handler parlance already: IIS answers everything with 500.19"),
    (
        "handler_verbs",
        5,
        "the handler parlance takes verb=\"GET,HEAD\" alone (for POST, preflight)",
    ),
    ("handlers_cleared", 6, "<clear> takes the handler parlance out again"),
    (
        "header_limit",
        12,
        "Sec-WebSocket-Key may have 16 bytes, and has 24 (for WebSocket, WebSocket of 0.9)",
    ),
    (
        "heartbeat_in_variable",
        7,
        "an idle connection is given up after 120 s, and may be silent for 200 s (ping-interval and ping-timeout)",
    ),
    (
        "heartbeat_over_default",
        7,
        "an idle connection is given up after 120 s, and may be silent for 140 s (ping-interval and ping-timeout)",
    ),
    (
        "heartbeat_over_timeout",
        7,
        "an idle connection is given up after 120 s, and may be silent for 140 s (ping-interval and ping-timeout)",
    ),
    ("hidden_segment", 11, "request filtering hides the segment Socket.IO"),
    ("host_elsewhere", 8, "it listens on 10.0.0.5, and IIS connects to 127.0.0.1"),
    ("host_v6", 8, "it listens on ::1, and IIS connects to 127.0.0.1"),
    ("http_redirect", 8, "httpRedirect sends requests elsewhere, those of the engine too"),
    ("http_redirect_exact", 8, "httpRedirect sends requests elsewhere, those of the engine too"),
    (
        "http_redirect_wildcard",
        9,
        "httpRedirect sends requests elsewhere, those of the engine too (for handshake, poll, POST, WebSocket, handshake of 0.9, preflight)",
    ),
    (
        "iisnode_js_no_rule",
        5,
        "the handler iisnode takes path=\"*.js\" alone: nothing sends requests of the engine to it",
    ),
    (
        "iisnode_no_rule",
        5,
        "the handler iisnode takes path=\"app.js\" alone: nothing sends requests of the engine to it",
    ),
    ("iisnode_public", 10, "the rule static takes requests to public/{R:0}, away from the server"),
    (
        "iisnode_static_before",
        6,
        "the handler all (StaticFileModule) takes requests before they are passed on",
    ),
    (
        "iisnode_websocket_on",
        3,
        "the WebSocket module of IIS takes every upgrade before iisnode sees it: it is on unless switched off (for WebSocket, WebSocket of 0.9)",
    ),
    ("in_process", 7, "only .NET programs run inside the process of IIS"),
    (
        "location_dot",
        11,
        "HttpPlatformHandler passes upgrades through the WebSocket module of IIS, which is off here (for WebSocket, WebSocket of 0.9)",
    ),
    (
        "location_handlers",
        13,
        "the handler files (StaticFileModule) takes requests before they are passed on",
    ),
    (
        "location_of_0.9",
        13,
        "the rule old clients answers 410 in place of the server (for handshake of 0.9, WebSocket of 0.9)",
    ),
    (
        "location_websocket",
        11,
        "HttpPlatformHandler passes upgrades through the WebSocket module of IIS, which is off here (for WebSocket, WebSocket of 0.9)",
    ),
    ("map", 15, "the rule moved takes requests to {C:1}, where the server has no Socket.IO"),
    ("max_content", 10, "bodies over 1000 bytes are refused, and max-payload is 1000000"),
    (
        "max_query_string",
        10,
        "maxQueryString=\"16\" refuses requests that are longer (for handshake, poll, POST, WebSocket, preflight)",
    ),
    (
        "max_query_string_of_sessions",
        10,
        "maxQueryString=\"32\" refuses requests that are longer (for poll, POST)",
    ),
    ("max_url", 10, "maxUrl=\"10\" refuses requests that are longer"),
    ("module_removed", 9, "HttpPlatformHandler is removed here, and hosts the server"),
    (
        "no_back_reference",
        6,
        "the rule to the chat does not keep the path: the server gets http://127.0.0.1:3000/",
    ),
    ("no_handler", 3, "no handler passes requests on: IIS looks for files and answers 404"),
    ("no_platform", 3, "there is no <httpPlatform>: nothing says which program to start"),
    ("no_program", 7, "no program is named"),
    ("node_processes", 16, "several processes: requests of one session go to any of them"),
    (
        "options_before",
        5,
        "the handler options (ProtocolSupportModule) takes requests before they are passed on (for preflight)",
    ),
    (
        "other_command",
        8,
        "the server does not start with this: it is a command that runs no server",
    ),
    (
        "other_prefix",
        6,
        "the rule to the chat does not keep the path: the server gets http://127.0.0.1:3000/app/{R:1}",
    ),
    (
        "other_program_without_port",
        7,
        "the program is not told its port: %HTTP_PLATFORM_PORT% stands nowhere",
    ),
    ("path_of_arguments", 3, "IIS hides the segment bin of every path"),
    (
        "port_fixed",
        8,
        "the program is not told its port: it listens on 3000, and IIS connects to %HTTP_PLATFORM_PORT%",
    ),
    (
        "port_in_other_variable",
        10,
        "the program is not told its port: CHAT_PORT is a variable that Parlance does not read",
    ),
    (
        "port_missing",
        8,
        "the program is not told its port: it listens on 3000, and IIS connects to %HTTP_PLATFORM_PORT%",
    ),
    (
        "port_of_other_module",
        8,
        "the program is not told its port: it listens on 1, and IIS connects to %HTTP_PLATFORM_PORT%",
    ),
    (
        "port_overruled",
        10,
        "the program is not told its port: --port 3000 in its arguments comes before the variable",
    ),
    (
        "prefix_lost",
        6,
        "the rule to the chat does not keep the path: the server gets http://127.0.0.1:3000/{R:1}",
    ),
    (
        "prefix_twice",
        6,
        "the rule to the chat does not keep the path: the server gets http://127.0.0.1:3000/socket.io/{R:0}",
    ),
    ("prints_help", 8, "the server does not start with this: it prints a text and ends"),
    (
        "processes",
        7,
        "several processes: each has its own room and its own sessions, and requests of one session go to any of them",
    ),
    ("proxy_protocol", 8, "it waits for PROXY headers, which IIS does not send"),
    (
        "query_dropped",
        8,
        "the rule to the chat drops the query, in which clients say what they want (EIO, transport, sid) (for handshake, poll, POST, WebSocket, handshake of 0.9, preflight)",
    ),
    (
        "query_replaced",
        12,
        "the rule mark drops the query, in which clients say what they want (EIO, transport, sid) (for handshake, poll, POST, WebSocket, handshake of 0.9, preflight)",
    ),
    (
        "query_sequence",
        11,
        "request filtering refuses queries with `Transport=` (for handshake, poll, POST, WebSocket, preflight)",
    ),
    (
        "redirect_both_ways",
        17,
        "the rule to http redirects requests to http://{HTTP_HOST}/{R:1}: WebSockets and POSTs do not follow",
    ),
    (
        "redirect_slash",
        10,
        "the rule no last slash redirects requests to {R:1}: WebSockets and POSTs do not follow (for handshake, poll, POST, WebSocket, handshake of 0.9, preflight)",
    ),
    (
        "redirect_to_host",
        10,
        "the rule moved redirects requests to https://www.chat.example/{R:1}: WebSockets and POSTs do not follow",
    ),
    (
        "redirect_to_itself",
        10,
        "the rule https redirects requests to https://{HTTP_HOST}/{R:1}: WebSockets and POSTs do not follow",
    ),
    ("rule_twice", 14, "there is a rule SPA already: IIS answers everything with 500.19"),
    ("spa", 10, "the rule spa takes requests to /index.html, where the server has no Socket.IO"),
    (
        "spa_empty_conditions",
        10,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO",
    ),
    (
        "spa_look_ahead",
        10,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO",
    ),
    (
        "spa_negated",
        10,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO",
    ),
    (
        "spa_no_file",
        10,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO",
    ),
    (
        "spa_wildcard",
        10,
        "the rule spa takes requests to /index.html, where the server has no Socket.IO",
    ),
    (
        "spa_without_match",
        10,
        "the rule spa takes requests to index.html, where the server has no Socket.IO",
    ),
    (
        "static_before",
        5,
        "the handler files (StaticFileModule,DefaultDocumentModule) takes requests before they are passed on",
    ),
    ("timeout_no_time", 7, "`120` is no time of the form hh:mm:ss"),
    (
        "timeout_short",
        7,
        "an idle connection is given up after 30 s, and may be silent for 45 s (ping-interval and ping-timeout)",
    ),
    ("tls", 8, "it speaks https, and IIS speaks plain http to it"),
    (
        "two_at_once",
        10,
        "dynamicIpSecurity allows 2 requests at once, and a client has 3: a poll waits, a POST sends, a WebSocket opens",
    ),
    (
        "two_in_a_while",
        10,
        "dynamicIpSecurity allows 2 requests in 1000 ms, and a page and its session begin with 10 at once",
    ),
    (
        "unknown_action",
        12,
        "type=\"Rewrites\" is nothing that IIS knows: it answers everything with 500.19",
    ),
    (
        "unknown_flag",
        8,
        "the server does not start with this: unexpected argument '--pingInterval' found",
    ),
    (
        "unknown_syntax",
        10,
        "patternSyntax=\"Regex\" is nothing that IIS knows: it answers everything with 500.19",
    ),
    ("url_sequence", 11, "request filtering refuses addresses with `.io/`"),
    ("users_denied", 10, "authorization refuses clients that have not signed in to IIS"),
    ("verb_denied", 11, "request filtering refuses verb=\"POST\" (for POST)"),
    ("verbs_get", 10, "request filtering refuses what <verbs> does not name (for POST, preflight)"),
    (
        "verbs_no_options",
        10,
        "request filtering refuses what <verbs> does not name (for preflight)",
    ),
    (
        "websocket_off",
        8,
        "HttpPlatformHandler passes upgrades through the WebSocket module of IIS, which is off here (for WebSocket, WebSocket of 0.9)",
    ),
    (
        "websocket_off_for_proxy",
        4,
        "URL Rewrite and ARR (reverse proxy) passes upgrades through the WebSocket module of IIS, which is off here (for WebSocket, WebSocket of 0.9)",
    ),
    (
        "websocket_removed",
        9,
        "HttpPlatformHandler passes upgrades through the WebSocket module of IIS, which is removed here (for WebSocket, WebSocket of 0.9)",
    ),
    (
        "wrong_value",
        8,
        "the server does not start with this: --max-payload: `much` is no size, expected bytes, such as 1000000, 64KiB or 1MB",
    ),
    ("custom_response_negated", 10, "the rule pages alone answers 404 in place of the server"),
    (
        "redirect_with_back_reference",
        10,
        "the rule language redirects requests to /en/{R:1}: WebSockets and POSTs do not follow",
    ),
    (
        "condition_captures",
        6,
        "the rule to the chat does not keep the path: the server gets http://127.0.0.1:3000/{C:1}.io/",
    ),
];

#[test]
fn files_that_cannot_work_are_refused_for_what_is_wrong() {
    let files = files("bad");
    let mut wrong = Vec::new();
    for (name, bytes) in &files {
        let Some((_, line, says)) = FILES.iter().find(|(file, ..)| file == name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let report = checked(bytes, &[]);
        let errors = report.findings.iter().filter(|found| found.severity == Severity::Error);
        let found: Vec<String> = errors.clone().map(ToString::to_string).collect();
        let is = |found: &str| {
            let rest = found
                .strip_prefix(&format!("{line}:"))
                .and_then(|rest| rest.split_once(": error: "));
            rest.and_then(|(_, rest)| rest.strip_prefix(says))
                .is_some_and(|rest| rest.starts_with("; fix: "))
        };
        if found.len() != 1 || !is(&found[0]) {
            wrong.push(format!("{name}, expected {line}: {says}\n  found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files.len(), FILES.len());
}
