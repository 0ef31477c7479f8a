// swift-tools-version:5.9
import PackageDescription

// `cargo xtask build` writes the sources; README.md says how far this is tested.
let package = Package(
    name: "Runcycles",
    products: [.library(name: "Runcycles", targets: ["Runcycles"])],
    targets: [
        .systemLibrary(name: "RuncyclesFFI"),
        .target(
            name: "Runcycles",
            dependencies: ["RuncyclesFFI"],
            linkerSettings: [.linkedLibrary("runcycles_uniffi")]
        ),
    ]
)
