//! What lets a file pass and is said all the same; and what is no `web.config`.

use super::super::Severity;
use super::checked;

const PLATFORM: &str = r#"<handlers><add name="p" path="*" verb="*" modules="httpPlatformHandler" responseBufferLimit="0" /></handlers>
    <httpPlatform processPath=".\parlance.exe" arguments="--host 127.0.0.1 --port %HTTP_PLATFORM_PORT%" />"#;

fn inside(content: &str) -> String {
    format!("<configuration>\n<system.webServer>\n{content}\n</system.webServer>\n</configuration>")
}

fn with(content: &str) -> String {
    inside(&format!("{PLATFORM}\n{content}"))
}

fn security(content: &str) -> String {
    with(&format!("<security>{content}</security>"))
}

fn rules(content: &str) -> String {
    with(&format!("<rewrite><rules>{content}</rules></rewrite>"))
}

#[test]
fn advice_lets_pass() {
    for (text, problem) in [
        (with("").replace(" responseBufferLimit=\"0\"", ""), "held back until 4 MB"),
        (with("<urlCompression doDynamicCompression=\"true\"/>"), "compression holds streams"),
        (
            with("<httpProtocol><customHeaders><add name=\"access-control-allow-origin\" value=\"*\"/></customHeaders></httpProtocol>"),
            "a second Access-Control-Allow-Origin",
        ),
        (with("<httpErrors errorMode=\"Custom\"/>"), "pages of its own"),
        (
            rules(r#"<rule name="h"><match url=".*"/><conditions><add input="{HTTP_HOST}" pattern="^a"/></conditions><action type="AbortRequest"/></rule>"#),
            "the rule h cuts the connection, if its conditions hold",
        ),
        (
            rules(r#"<rule name="flag"><match url="(.*)"/><action type="Rewrite" url="{HTTP_COOKIE}/{R:1}"/></rule>"#),
            "rewrites requests to {HTTP_COOKIE}/{R:1}, which depends on the client",
        ),
        (
            rules(r#"<rule name="odd"><match url="(?&lt;=x)y"/><action type="Rewrite" url="/z"/></rule>"#),
            "a pattern of the rule odd cannot be read here (IIS knows no look-behind",
        ),
        (
            rules(r#"<rule name="slow"><match url="^(?:(.+)\1?)+#$"/><action type="Rewrite" url="/z"/></rule>"#),
            "it takes too long to try",
        ),
        (
            security("<requestFiltering><requestLimits maxAllowedContentLength=\"1500000\"/></requestFiltering>"),
            "three times as long",
        ),
        (
            security("<requestFiltering><fileExtensions><add fileExtension=\".JS\" allowed=\"false\"/></fileExtensions></requestFiltering>"),
            "refuses fileExtension=\".js\" (for client library)",
        ),
        (
            security("<ipSecurity allowUnlisted=\"false\"><add ipAddress=\"10.0.0.0\" subnetMask=\"255.0.0.0\" allowed=\"true\"/></ipSecurity>"),
            "nobody else",
        ),
        (security("<dynamicIpSecurity><denyByConcurrentRequests enabled=\"true\"/></dynamicIpSecurity>"), "allows 5 requests of one address at once"),
        (security("<dynamicIpSecurity><denyByRequestRate enabled=\"true\" maxRequests=\"20\" requestIntervalInMilliseconds=\"1000\"/></dynamicIpSecurity>"), "allows 20 requests of one address in 1000 ms"),
        (security("<authentication><anonymousAuthentication enabled=\"false\"/></authentication>"), "have to sign in"),
        (security("<access sslFlags=\"Ssl, SslNegotiateCert, SslRequireCert\"/>"), "a certificate of its own"),
        (with("<modules xmlns:xdt=\"http://schemas.microsoft.com/XML-Document-Transform\" xdt:Transform=\"Replace\"/>"), "this is a transform"),
        (with("<rewrite><rules configSource=\"rules.config\"/></rewrite>"), "<rules> is in the file rules.config"),
        (format!("<?xml version='1.0' encoding='utf-16'?>{}", with("")), "says that it is UTF-16"),
        (
            with("").replace(" />\n\n</sys", "><environmentVariables><environmentVariable name=\"PARLANCE_TRANSPORT\" value=\"x\"/></environmentVariables></httpPlatform>\n</sys"),
            "PARLANCE_TRANSPORT: no setting has that name",
        ),
        (with("").replace("--host 127.0.0.1 ", ""), "all addresses"),
    ] {
        let report = checked(text.as_bytes(), &[]);
        assert_eq!(report.errors(), 0, "{text}: {:#?}", report.findings);
        let advice: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert!(advice.iter().any(|advice| advice.contains(problem)), "{problem}: {advice:#?}");
    }
}

#[test]
fn what_is_fine_brings_no_advice() {
    for text in [
        with(""),
        security(
            "<dynamicIpSecurity><denyByRequestRate enabled=\"true\" /><denyByConcurrentRequests enabled=\"false\" maxConcurrentRequests=\"1\"/></dynamicIpSecurity>",
        ),
        security(
            "<ipSecurity><add ipAddress=\"203.0.113.7\" allowed=\"false\"/></ipSecurity><authorization><add accessType=\"Allow\" users=\"*\"/></authorization>",
        ),
        rules(
            r#"<rule name="h" enabled="false"><match url="(?&lt;=x)"/><action type="AbortRequest"/></rule>"#,
        ),
        // A page of another site.
        rules(
            r#"<rule name="start"><match url="^$"/><action type="Redirect" url="https://chat.example/"/></rule>"#,
        ),
    ] {
        assert_eq!(checked(text.as_bytes(), &[]).findings, [], "{text}");
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
        let report = checked(text.as_bytes(), &[]);
        assert_eq!(report.errors(), 1);
        assert!(report.findings[0].to_string().starts_with(at), "{:?}", report.findings);
    }
    let report = checked(b"<configuration a='\xfc'/>", &[]);
    assert!(report.findings[0].to_string().contains("no text in UTF-8 or UTF-16"));
}

#[test]
fn findings_are_in_the_order_of_the_file() {
    let report = checked(
        security("<ipSecurity allowUnlisted=\"false\"/>")
            .replace("<handlers", "<webSocket enabled=\"false\"/><handlers")
            .as_bytes(),
        &[],
    );
    let places: Vec<(u32, Severity)> =
        report.findings.iter().map(|found| (found.line, found.severity)).collect();
    assert_eq!(places, [(3, Severity::Error), (5, Severity::Error)]);
}
