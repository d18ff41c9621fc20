//! What is embedded in the program: `recipes/*.yaml`, their scenarios, and `recipes/files/**`. A test holds the tables
//! against the folders.

/// Recipes by name.
pub(super) const RECIPES: &[(&str, &str)] = &[
    ("base", include_str!("../../../recipes/base.yaml")),
    (
        "fake_connector",
        include_str!("../../../recipes/fake_connector.yaml"),
    ),
    ("muxpi", include_str!("../../../recipes/muxpi.yaml")),
    (
        "noprovision",
        include_str!("../../../recipes/noprovision.yaml"),
    ),
    (
        "simulated_board",
        include_str!("../../../recipes/simulated_board.yaml"),
    ),
];

/// Scenarios by the recipe's name.
pub(super) const SCENARIOS: &[(&str, &str)] = &[
    ("base", include_str!("../../../recipes/base.test.yaml")),
    (
        "fake_connector",
        include_str!("../../../recipes/fake_connector.test.yaml"),
    ),
    ("muxpi", include_str!("../../../recipes/muxpi.test.yaml")),
    (
        "noprovision",
        include_str!("../../../recipes/noprovision.test.yaml"),
    ),
    (
        "simulated_board",
        include_str!("../../../recipes/simulated_board.test.yaml"),
    ),
];

/// Files by name.
pub(super) const ASSETS: &[(&str, &str)] = &[
    (
        "muxpi/ce-oem-iot/user-data",
        include_str!("../../../recipes/files/muxpi/ce-oem-iot/user-data"),
    ),
    (
        "muxpi/claim-device.sh",
        include_str!("../../../recipes/files/muxpi/claim-device.sh"),
    ),
    (
        "muxpi/classic/meta-data",
        include_str!("../../../recipes/files/muxpi/classic/meta-data"),
    ),
    (
        "muxpi/classic/user-data",
        include_str!("../../../recipes/files/muxpi/classic/user-data"),
    ),
    (
        "muxpi/detect-image.sh",
        include_str!("../../../recipes/files/muxpi/detect-image.sh"),
    ),
    (
        "muxpi/mount-labels.sh",
        include_str!("../../../recipes/files/muxpi/mount-labels.sh"),
    ),
    (
        "muxpi/pi-desktop-25/meta-data",
        include_str!("../../../recipes/files/muxpi/pi-desktop-25/meta-data"),
    ),
    (
        "muxpi/pi-desktop-25/user-data",
        include_str!("../../../recipes/files/muxpi/pi-desktop-25/user-data"),
    ),
    (
        "muxpi/pi-desktop/oem-config.service",
        include_str!("../../../recipes/files/muxpi/pi-desktop/oem-config.service"),
    ),
    (
        "muxpi/pi-desktop/preseed.cfg",
        include_str!("../../../recipes/files/muxpi/pi-desktop/preseed.cfg"),
    ),
    (
        "muxpi/uc20/99_nocloud.cfg",
        include_str!("../../../recipes/files/muxpi/uc20/99_nocloud.cfg"),
    ),
    (
        "muxpi/umount-labels.sh",
        include_str!("../../../recipes/files/muxpi/umount-labels.sh"),
    ),
    (
        "simulated_board/board.sh",
        include_str!("../../../recipes/files/simulated_board/board.sh"),
    ),
];
