//! Tokens of all kinds, made here.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::keys::Key;
use super::*;

const SECRET: &[u8] = b"a secret that only tests know, 32";
/// A key of 2048 bits that nobody uses for anything else (PKCS #1, as base64), and its public half.
const RSA: &str = include_str!("tests/rsa-private.txt");
const RSA_PUBLIC: &str = include_str!("tests/rsa-public.pem");

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn part(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn token(head: &Value, said: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", part(head), part(said));
    let signature = BASE64.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |said| hmac::sign(&key, said).as_ref().to_vec()
}

fn rsa() -> RsaKeyPair {
    let der = STANDARD.decode(RSA.split_whitespace().collect::<String>()).unwrap();
    RsaKeyPair::from_der(&der).unwrap()
}

fn rs(said: &[u8]) -> Vec<u8> {
    let key = rsa();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), said, &mut signature).unwrap();
    signature
}

fn ec(key: &KeyPair) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let der = key.serialize_der();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).unwrap();
    move |said| key.sign(&random, said).unwrap().as_ref().to_vec()
}

fn ed(key: &KeyPair) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.serialize_der()).unwrap();
    move |said| key.sign(said).as_ref().to_vec()
}

fn claims() -> Claims {
    let (name, roles, rooms) = ("name".to_owned(), "roles".to_owned(), "rooms".to_owned());
    Claims {
        issuer: Some("https://id.example".to_owned()),
        audience: vec!["chat".to_owned()],
        name,
        roles,
        rooms,
    }
}

fn ann() -> Value {
    json!({ "iss": "https://id.example", "aud": "chat", "sub": "7", "name": "Ann", "exp": now() + 60 })
}

/// The same with some claims changed; null takes one out.
fn but(changes: Value) -> Value {
    let mut said = ann();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(said.as_object_mut().unwrap().remove(name)),
            value => said[name] = value.clone(),
        }
    }
    said
}

fn read(keys: &[Key], text: &str) -> Result<Account, Refusal> {
    Token::read(text)?.account(keys, &claims(), SystemTime::now())
}

/// Signs a token.
type Sign<'a> = Box<dyn FnOnce(&[u8]) -> Vec<u8> + 'a>;

#[test]
fn each_algorithm_has_keys_of_its_own() {
    let [p256, ed25519] =
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519].map(|kind| KeyPair::generate_for(kind).unwrap());
    let pem = [RSA_PUBLIC, &p256.public_key_pem(), &ed25519.public_key_pem()].concat();
    let keys = key_files::read(pem.as_bytes()).unwrap();
    assert_eq!(keys.len(), 3);
    let xy = |from: usize| BASE64.encode(&p256.public_key_raw()[from..][..32]);
    let (n, e) = {
        let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(rsa().public());
        (BASE64.encode(parts.n), BASE64.encode(parts.e))
    };
    let set = json!({ "keys": [
        { "kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": n, "e": e },
        { "kty": "RSA", "kid": "enc", "use": "enc", "n": n, "e": e },
        { "kty": "RSA", "kid": "other", "alg": "PS512", "n": n, "e": e },
        { "kty": "EC", "kid": "e", "crv": "P-256", "x": xy(1), "y": xy(33) },
        { "kty": "EC", "kid": "384", "crv": "P-384", "x": xy(1), "y": xy(33) },
        { "kty": "OKP", "kid": "d", "crv": "Ed25519", "x": BASE64.encode(ed25519.public_key_raw()) },
        { "kty": "oct", "kid": "s", "k": BASE64.encode(SECRET) },
        { "kty": "new" }, 7,
    ] });
    let set = key_files::read(set.to_string().as_bytes()).unwrap();
    let ids: Vec<_> = set.iter().filter_map(|key| key.id.as_deref()).collect();
    assert_eq!(ids, ["r", "e", "d"], "secrets, and what is for something else, are left out");
    let secret = vec![Key::secret(SECRET)];
    for keys in [&keys, &set] {
        for (alg, kid) in [("RS256", "r"), ("ES256", "e"), ("EdDSA", "d")] {
            for head in [json!({ "alg": alg, "kid": kid }), json!({ "alg": alg, "typ": "JWT" })] {
                let sign: Sign<'_> = match alg {
                    "RS256" => Box::new(rs),
                    "ES256" => Box::new(ec(&p256)),
                    _ => Box::new(ed(&ed25519)),
                };
                let text = token(&head, &ann(), sign);
                let account = read(keys, &text).unwrap();
                assert_eq!((&*account.person, &*account.name), ("https://id.example|7", "Ann"));
                assert_eq!(read(&secret, &text), Err(Refusal::Key));
            }
        }
        let text = token(&json!({ "alg": "HS256" }), &ann(), hs(SECRET));
        assert_eq!(read(keys, &text), Err(Refusal::Key));
        assert!(read(&secret, &text).is_ok());
    }
    let unknown = token(&json!({ "alg": "RS256", "kid": "x" }), &ann(), rs);
    assert_eq!(read(&set, &unknown), Err(Refusal::Key));
}

#[test]
fn bad_tokens_are_refused_by_name() {
    let keys = [Key::secret(SECRET)];
    let head = json!({ "alg": "HS256" });
    let of = |said: Value| token(&json!({ "alg": "HS256" }), &said, hs(SECRET));
    let good = of(ann());
    assert!(read(&keys, &good).is_ok());
    let signature = |text: &str| text.rsplit_once('.').unwrap().1.to_owned();
    let stolen =
        format!("{}.{}.{}", part(&head), part(&but(json!({ "sub": "1" }))), signature(&good));
    let none = |alg: &str| token(&json!({ "alg": alg }), &ann(), |_| Vec::new());
    let table = [
        ("none", none("none"), Refusal::Invalid),
        ("None", none("None"), Refusal::Invalid),
        ("no algorithm", token(&json!({}), &ann(), hs(SECRET)), Refusal::Invalid),
        (
            "an algorithm that is no text",
            token(&json!({ "alg": ["HS256"] }), &ann(), hs(SECRET)),
            Refusal::Invalid,
        ),
        (
            "another of the family",
            token(&json!({ "alg": "HS512" }), &ann(), hs(SECRET)),
            Refusal::Invalid,
        ),
        (
            "what has to be understood",
            token(&json!({ "alg": "HS256", "crit": ["b64"] }), &ann(), hs(SECRET)),
            Refusal::Invalid,
        ),
        ("another secret", token(&head, &ann(), hs(b"another")), Refusal::Invalid),
        ("no signature", token(&head, &ann(), |_| Vec::new()), Refusal::Invalid),
        ("half a signature", good[..good.len() - 20].to_owned(), Refusal::Invalid),
        ("the signature of another", stolen, Refusal::Invalid),
        ("a public key's algorithm", token(&json!({ "alg": "RS256" }), &ann(), rs), Refusal::Key),
        ("expired", of(but(json!({ "exp": now() - 11 }))), Refusal::Expired),
        ("no end", of(but(json!({ "exp": null }))), Refusal::Invalid),
        ("an end that is no time", of(but(json!({ "exp": "tomorrow" }))), Refusal::Invalid),
        ("an end before time", of(but(json!({ "exp": -1 }))), Refusal::Invalid),
        ("not yet", of(but(json!({ "nbf": now() + 30 }))), Refusal::Early),
        ("no issuer", of(but(json!({ "iss": null }))), Refusal::Issuer),
        ("another issuer", of(but(json!({ "iss": "https://id.example.evil" }))), Refusal::Issuer),
        ("several issuers", of(but(json!({ "iss": ["https://id.example"] }))), Refusal::Issuer),
        ("no audience", of(but(json!({ "aud": null }))), Refusal::Audience),
        ("another audience", of(but(json!({ "aud": "mail" }))), Refusal::Audience),
        ("other audiences", of(but(json!({ "aud": ["mail", 7] }))), Refusal::Audience),
        ("nobody", of(but(json!({ "sub": null }))), Refusal::Invalid),
        ("an empty subject", of(but(json!({ "sub": "" }))), Refusal::Invalid),
        ("a subject that is no text", of(but(json!({ "sub": 7 }))), Refusal::Invalid),
        ("a long subject", of(but(json!({ "sub": "x".repeat(513) }))), Refusal::Invalid),
        ("a line end in it", of(but(json!({ "sub": "a\nb" }))), Refusal::Invalid),
        ("claims that are no object", token(&head, &json!([ann()]), hs(SECRET)), Refusal::Invalid),
        ("a huge one", of(but(json!({ "more": "x".repeat(MAX_TOKEN) }))), Refusal::Invalid),
        ("padding", format!("{good}="), Refusal::Invalid),
        ("four parts", format!("{good}.x"), Refusal::Invalid),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned(), Refusal::Invalid),
        ("garbage", "\u{0}\u{ff}.{}.é".to_owned(), Refusal::Invalid),
        ("dots", "..".to_owned(), Refusal::Invalid),
        ("no base64", format!("{}.{}.{}", "{}", "{}", "x"), Refusal::Invalid),
    ];
    for (what, text, refusal) in table {
        assert_eq!(read(&keys, &text), Err(refusal), "{what}: {text}");
    }
    // The oldest trick: the public key, which everybody has, as the secret.
    let public = key_files::read(RSA_PUBLIC.as_bytes()).unwrap();
    for secret in [RSA_PUBLIC.as_bytes(), RSA_PUBLIC.trim().as_bytes()] {
        assert_eq!(read(&public, &token(&head, &ann(), hs(secret))), Err(Refusal::Key));
    }
    assert!(read(&public, &token(&json!({ "alg": "RS256" }), &ann(), rs)).is_ok());
}

#[test]
fn what_a_token_says_of_a_person() {
    let keys = [Key::secret(SECRET)];
    let of = |said: Value| token(&json!({ "alg": "HS256" }), &said, hs(SECRET));
    let plain = read(&keys, &of(but(json!({ "name": "  " })))).unwrap();
    assert_eq!((&*plain.name, plain.roles.len(), plain.rooms), ("7", 0, None));
    let end = now() + 60;
    let all = json!({
        "exp": end as f64 + 0.5, "nbf": now() + 5, "aud": ["mail", "chat"],
        "roles": ["moderator", 7, "team"], "rooms": "support team-*",
    });
    let account = read(&keys, &of(but(all))).unwrap();
    assert_eq!(account.roles, ["moderator", "team"]);
    assert_eq!(account.rooms.unwrap(), ["support", "team-*"]);
    let expires = UNIX_EPOCH + Duration::from_secs(end) + Duration::from_millis(10_500);
    assert_eq!(account.expires, expires);
    assert_eq!(read(&keys, &of(but(json!({ "rooms": { "a": 1 } })))).unwrap().rooms, Some(vec![]));
    assert!(read(&keys, &of(but(json!({ "exp": 1e18 })))).is_ok(), "an end that never comes");
    // Claims inside of others, and names with dots in them.
    let said = but(json!({ "realm_access": { "roles": ["admin"] }, "https://x.example/n": "Bea" }));
    let (roles, name) = ("realm_access.roles".to_owned(), "https://x.example/n".to_owned());
    let claims = Claims { roles, name, audience: vec!["chat".into()], ..Claims::default() };
    let text = of(said);
    let account = Token::read(&text).unwrap().account(&keys, &claims, SystemTime::now()).unwrap();
    assert_eq!((&*account.name, account.roles), ("Bea", vec!["admin".to_owned()]));
    // For whom nobody is named as the audience, tokens for others are not good.
    let text = of(ann());
    let nobody = Token::read(&text).unwrap().account(&keys, &Claims::default(), SystemTime::now());
    assert_eq!(nobody, Err(Refusal::Audience));
}

#[test]
fn files_without_a_key_that_can_be_used_say_so() {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    // Another curve, whose points are as long as those of P-256.
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
    let text: String = p256.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = STANDARD.decode(text).unwrap();
    let curve = der.windows(4).position(|it| *it == [0x3d, 0x03, 0x01, 0x07]).unwrap() + 3;
    der[curve] = 0x06;
    let (head, end) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");
    let other_curve = format!("{head}\n{}\n{end}\n", STANDARD.encode(der));
    let certificate =
        rcgen::CertificateParams::new(vec!["a".into()]).unwrap().self_signed(&ed).unwrap();
    let found = key_files::read(certificate.pem().as_bytes()).unwrap();
    assert_eq!(found[0].algorithm(), keys::Algorithm::EdDsa);
    for (text, error) in [
        (String::new(), "no key for"),
        ("hello".into(), "no key for"),
        ("{".into(), "EOF"),
        ("{}".into(), "\"keys\""),
        (json!({ "keys": [] }).to_string(), "no key for"),
        (p384.public_key_pem(), "none for RS256"),
        (other_curve, "none for RS256"),
        (p384.serialize_pem(), "private key"),
        (ed.public_key_pem().replace("KEY-----\n", "KEY-----\n!"), "no PEM"),
    ] {
        let found = key_files::read(text.as_bytes()).unwrap_err();
        assert!(found.contains(error), "{text}: {found}");
    }
    for (url, is_good) in [
        ("https://id.example/keys", true),
        ("http://localhost:8080/k", true),
        ("http://127.0.0.1/k", true),
        ("http://[::1]:8/k", true),
        ("http://id.example/keys", false),
        ("http://localhost.example/keys", false),
        ("ftp://localhost/keys", false),
        ("keys.json", false),
        ("/keys.json", false),
    ] {
        assert_eq!(check_url(url).is_ok(), is_good, "{url}");
    }
}

#[tokio::test]
async fn tokens_are_counted_by_what_became_of_them() {
    let accounts = |required| {
        Accounts::new(required, claims(), Origin::Secret(SECRET.to_vec())).unwrap().cookie("id")
    };
    let (optional, required) = (accounts(false), accounts(true));
    assert_eq!(optional.check(None).await, Ok(None));
    assert_eq!(optional.check(Some("")).await, Ok(None));
    assert_eq!(required.check(None).await, Err(Refusal::Required));
    assert_eq!(optional.check(Some("x")).await, Err(Refusal::Invalid), "no guest by a bad token");
    let text = token(&json!({ "alg": "HS256" }), &ann(), hs(SECRET));
    assert!(required.check(Some(&text)).await.unwrap().is_some());
    let counts: Vec<_> = required.counts().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [("ok", 1), ("auth-required", 1)]);
    let cookie = |line| required.in_cookie([line]);
    assert_eq!(cookie("a=b; id=t.o.k; c=d"), Some("t.o.k"));
    assert_eq!((cookie("xid=t"), cookie("ID=t"), cookie("id")), (None, None, None));
}

/// Answers requests for keys: counts them, and says what is there at the time.
async fn publish(says: Arc<std::sync::Mutex<(u32, String)>>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = {
                let mut says = says.lock().unwrap();
                says.0 += 1;
                says.1.clone()
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A set of keys with one of Ed25519.
fn published(kid: &str, key: &KeyPair) -> String {
    let x = BASE64.encode(key.public_key_raw());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x }] }).to_string()
}

#[tokio::test]
async fn keys_of_a_url_are_kept_and_asked_for_again_when_a_token_names_another() {
    let [old, new] = [(); 2].map(|()| KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let says = Arc::new(std::sync::Mutex::new((0, answer("200 OK", &published("old", &old)))));
    let url = publish(Arc::clone(&says)).await;
    let origin = Origin::Url(check_url(&url).unwrap());
    let accounts = Arc::new(Accounts::new(true, claims(), origin).unwrap());
    let running = Arc::clone(&accounts);
    let running = tokio::spawn(async move { running.run().await });
    let of =
        |kid: &str, key: &KeyPair| token(&json!({ "alg": "EdDSA", "kid": kid }), &ann(), ed(key));
    let check = async |text: &str| accounts.check(Some(text)).await.map(|it| it.is_some());
    assert_eq!(check(&of("old", &old)).await, Ok(true), "who comes first waits for the keys");
    assert_eq!(says.lock().unwrap().0, 1);
    // The keys are new, and nobody makes the server ask again.
    for _ in 0..3 {
        assert_eq!(check(&of("new", &new)).await, Err(Refusal::Key));
    }
    assert_eq!(says.lock().unwrap().0, 1);
    // A while later it asks, once. What does not answer well changes nothing.
    says.lock().unwrap().1 = answer("500 Internal Server Error", "{}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(check(&of("new", &new)).await, Err(Refusal::Key));
    assert_eq!(check(&of("old", &old)).await, Ok(true));
    says.lock().unwrap().1 = answer("200 OK", &published("new", &new));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(check(&of("new", &new)).await, Ok(true));
    assert_eq!(check(&of("old", &old)).await, Err(Refusal::Key), "it was taken out");
    running.abort();
}

#[tokio::test]
async fn what_comes_from_a_url_has_bounds() {
    let long = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(key_files::MAX_BYTES));
    for (says, error) in [
        (answer("200 OK", &long), "length limit"),
        (answer("302 Found", "{}"), "302"),
        ("no http\r\n\r\n".to_owned(), "pars"),
        (String::new(), "closed"),
    ] {
        let url = publish(Arc::new(std::sync::Mutex::new((0, says)))).await;
        let found = fetch::get(&check_url(&url).unwrap()).await.unwrap_err();
        assert!(found.contains(error), "{found}");
    }
}
