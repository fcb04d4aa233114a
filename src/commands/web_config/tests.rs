//! Tests with files that can host Parlance, and with files that cannot.

use super::*;

const NEEDS: Needs = Needs { silence: Duration::from_secs(45), max_payload: 1_000_000 };

fn inside(content: &str) -> Report {
    let text = format!(
        "<configuration>\n<system.webServer>\n{content}\n</system.webServer>\n</configuration>"
    );
    inspect(&text, &NEEDS)
}

const PLATFORM: &str = r#"<handlers><add name="p" path="*" verb="*" modules="httpPlatformHandler" responseBufferLimit="0" /></handlers>
    <httpPlatform processPath=".\parlance.exe" arguments="--port %HTTP_PLATFORM_PORT%" />"#;
const CORE: &str = r#"<handlers><add name="p" path="*" verb="*" modules="AspNetCoreModuleV2" responseBufferLimit="0" /></handlers>
    <aspNetCore processPath=".\parlance.exe" arguments="--port %ASPNETCORE_PORT%" />"#;
const NODE: &str = r#"<handlers><add name="iisnode" path="app.js" verb="*" modules="iisnode"/></handlers>
    <rewrite><rules><rule name="all"><match url=".*"/><action type="Rewrite" url="app.js"/></rule></rules></rewrite>"#;

/// The findings of one severity, as text.
fn of(report: &Report, severity: Severity) -> Vec<String> {
    let findings = report.findings.iter().filter(|finding| finding.severity == severity);
    findings.map(ToString::to_string).collect()
}

#[test]
fn the_shipped_file_passes_without_advice() {
    let report = inspect(include_str!("../../../web.config"), &NEEDS);
    assert_eq!(report.module, Some(Module::HttpPlatform));
    assert_eq!(report.findings, []);
}

#[test]
fn correct_files_pass() {
    for (content, module) in [
        (PLATFORM.to_owned(), Module::HttpPlatform),
        (CORE.to_owned(), Module::AspNetCore),
        (format!("{NODE}<webSocket enabled=\"false\"/>"), Module::IisNode),
        (
            r#"<rewrite><rules><rule name="to"><match url="(.*)"/><action type="Rewrite" url="http://localhost:3000/{R:1}"/></rule></rules></rewrite>"#.to_owned(),
            Module::ReverseProxy,
        ),
        (format!("{PLATFORM}<webSocket enabled=\"true\"/>"), Module::HttpPlatform),
        (
            format!(r#"{PLATFORM}<rewrite><rules><rule name="https"><match url="(.*)"/><conditions><add input="{{HTTPS}}" pattern="off"/></conditions><action type="Redirect" url="https://{{HTTP_HOST}}/{{R:1}}"/></rule></rules></rewrite>"#),
            Module::HttpPlatform,
        ),
        (
            // Of another part of the site, and of this one as its tools write it.
            format!(r#"{PLATFORM}</system.webServer><location path="other"><system.webServer><webSocket enabled="false"/><httpRedirect enabled="true"/></system.webServer></location><location path="." inheritInChildApplications="false"><system.webServer>"#)
                + "</system.webServer></location><system.webServer>",
            Module::HttpPlatform,
        ),
        (
            format!(r#"{PLATFORM}<rewrite><rules><rule name="io" stopProcessing="true"><match url="^socket\.io/"/><action type="None"/></rule><rule name="spa"><match url=".*"/><action type="Rewrite" url="/index.html"/></rule></rules></rewrite>"#),
            Module::HttpPlatform,
        ),
    ] {
        let report = inside(&content);
        assert_eq!(report.module, Some(module), "{content}");
        assert!(report.passes(), "{content}: {:?}", report.findings);
    }
}

#[test]
fn what_keeps_websockets_from_working() {
    let platform = |from: &str, to: &str| PLATFORM.replace(from, to);
    for (case, content, at, problem) in [
        ("iisnode, module on by default", NODE.to_owned(), 2, "takes every upgrade"),
        ("iisnode, module on", format!("{NODE}\n<webSocket enabled=\"true\"/>"), 5, "takes every upgrade"),
        ("iisnode, no rule", r#"<handlers><add name="i" path="app.js" verb="*" modules="iisnode"/></handlers><webSocket enabled="false"/>"#.to_owned(), 3, "nothing sends /socket.io/"),
        ("iisnode, processes", format!("{NODE}<webSocket enabled=\"false\"/>\n<iisnode nodeProcessCountPerApplication=\"0\" flushResponse=\"true\"/>"), 5, "several processes"),
        ("platform, module off", format!("{PLATFORM}\n<webSocket enabled=\"false\"/>"), 5, "which is off here"),
        ("core, module off", format!("{CORE}\n<webSocket enabled=\"False\"/>"), 5, "which is off here"),
        ("platform, module removed", format!("{PLATFORM}\n<modules><remove name=\"WebSocketModule\"/></modules>"), 5, "which is removed here"),
        ("path", platform("path=\"*\"", "path=\"/chat\""), 3, "/socket.io/ is not passed on"),
        ("verbs", platform("verb=\"*\"", "verb=\"GET,HEAD\""), 3, "does not take POST, OPTIONS"),
        ("port", platform("--port %HTTP_PLATFORM_PORT%", "--port 3000"), 4, "is not told its port"),
        ("no program", platform("processPath=\".\\parlance.exe\"", ""), 4, "no program is named"),
        ("no platform", r#"<handlers><add path="*" verb="*" modules="httpPlatformHandler"/></handlers>"#.to_owned(), 2, "there is no <httpPlatform>"),
        ("time", platform("arguments", "requestTimeout=\"00:00:30\" arguments"), 4, "given up after 30 s, and may be silent for 45 s"),
        ("no time", platform("arguments", "requestTimeout=\"30\" arguments"), 4, "is no time of the form hh:mm:ss"),
        ("processes", platform("arguments", "processesPerApplication=\"4\" arguments"), 4, "several processes"),
        ("in process", CORE.replace("arguments", "hostingModel=\"InProcess\" arguments"), 4, "only .NET programs"),
        ("two modules", format!("{PLATFORM}\n<handlers><add path=\"*\" modules=\"iisnode\"/></handlers>"), 5, "two modules"),
        ("none", "<defaultDocument/>".to_owned(), 2, "no handler passes requests on"),
        ("rewrite", format!(r#"{PLATFORM}<rewrite><rules>{}<rule name="spa"><match url=".*"/><action type="Rewrite" url="/index.html"/></rule></rules></rewrite>"#, "\n"), 5, "the rule spa takes requests"),
        ("limits", format!("{PLATFORM}\n<security><requestFiltering><requestLimits maxAllowedContentLength=\"1000\"/></requestFiltering></security>"), 5, "bodies over 1000 bytes are refused"),
        ("segments", format!("{PLATFORM}\n<security><requestFiltering><hiddenSegments><add segment=\"socket.io\"/></hiddenSegments></requestFiltering></security>"), 5, "request filtering refuses /socket.io/"),
        ("this part of the site", format!("{PLATFORM}</system.webServer><location path=\"Socket.IO/\"><system.webServer>\n<webSocket enabled=\"false\"/></system.webServer></location><system.webServer>"), 5, "which is off here"),
        ("redirect", format!("{PLATFORM}\n<httpRedirect enabled=\"true\" destination=\"https://x.example\"/>"), 5, "sends every request elsewhere"),
        ("verbs of the filter", format!("{PLATFORM}\n<security><requestFiltering><verbs><add verb=\"POST\" allowed=\"false\"/></verbs></requestFiltering></security>"), 5, "a method that clients use"),
    ] {
        let report = inside(&content);
        let errors = of(&report, Severity::Error);
        assert_eq!(errors.len(), 1, "{case}: {errors:?}");
        assert!(errors[0].starts_with(&format!("{at}:")), "{case}: line {at} in {errors:?}");
        assert!(errors[0].contains(problem) && errors[0].contains("; fix: "), "{case}: {errors:?}");
        assert!(!report.passes());
    }
}

#[test]
fn advice_lets_pass() {
    for (content, problem) in [
        (PLATFORM.replace(" responseBufferLimit=\"0\"", ""), "held back until 4 MB"),
        (
            format!("{PLATFORM}<urlCompression doDynamicCompression=\"true\"/>"),
            "compression holds streams",
        ),
        (
            format!(
                "{PLATFORM}<httpProtocol><customHeaders><add name=\"access-control-allow-origin\" value=\"*\"/></customHeaders></httpProtocol>"
            ),
            "a second Access-Control-Allow-Origin",
        ),
        (format!("{PLATFORM}<httpErrors errorMode=\"Custom\"/>"), "pages of its own"),
        (
            format!(
                r#"{PLATFORM}<rewrite><rules><rule name="files"><match url=".*"/><conditions><add input="{{REQUEST_FILENAME}}" matchType="IsFile" negate="true"/></conditions><action type="Rewrite" url="/index.html"/></rule></rules></rewrite>"#
            ),
            "if its conditions hold",
        ),
        (
            format!(
                r#"{PLATFORM}<rewrite><rules><rule name="odd"><match url="(?!x)y"/><action type="Rewrite" url="/z"/></rule></rules></rewrite>"#
            ),
            "cannot be read here",
        ),
        (
            format!(
                "{PLATFORM}<security><requestFiltering><requestLimits maxAllowedContentLength=\"1500000\"/></requestFiltering></security>"
            ),
            "three times as long",
        ),
    ] {
        let report = inside(&content);
        assert!(report.passes(), "{:?}", report.findings);
        let advice = of(&report, Severity::Advice);
        assert!(advice.iter().any(|advice| advice.contains(problem)), "{problem}: {advice:?}");
    }
}

#[test]
fn what_is_no_web_config() {
    for (text, at) in [
        ("<configuration>\n  <system.webServer>\n</configuration>", "3:"),
        ("", "1:1: "),
        ("not XML", "1:1: "),
        ("<other/>", "1:1: "),
        ("<configuration/>", "1:1: "),
        ("<!DOCTYPE x [<!ENTITY a \"aa\">]><x>&a;</x>", "1:"),
    ] {
        let report = inspect(text, &NEEDS);
        assert!(!report.passes());
        assert!(report.findings[0].to_string().starts_with(at), "{:?}", report.findings);
    }
}

#[test]
fn spans() {
    assert_eq!(span("00:02:00"), Some(Duration::from_secs(120)));
    assert_eq!(span("1.00:00:01"), Some(Duration::from_secs(86_401)));
    for wrong in ["", "120", "00:02", "a:b:c", "99999999999999999999:0:0", "0:0:0:0"] {
        assert_eq!(span(wrong), None, "{wrong}");
    }
}
