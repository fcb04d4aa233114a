//! The build script. The library alone has no pages, and needs nothing of it.

#[cfg(feature = "server")]
mod pages;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build");
    #[cfg(feature = "server")]
    pages::build()?;
    Ok(())
}
