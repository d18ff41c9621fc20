//! What is embedded in the program: `recipes/*.yaml`, their scenarios, and `recipes/files/**`. A test holds the tables
//! against the folders.

/// Recipes by name.
pub(super) const RECIPES: &[(&str, &str)] = &[
    ("base", include_str!("../../../recipes/base.yaml")),
    ("cm3", include_str!("../../../recipes/cm3.yaml")),
    (
        "control_host_iot",
        include_str!("../../../recipes/control_host_iot.yaml"),
    ),
    (
        "control_host_job",
        include_str!("../../../recipes/control_host_job.yaml"),
    ),
    (
        "control_host_kvm",
        include_str!("../../../recipes/control_host_kvm.yaml"),
    ),
    (
        "dell_oemscript",
        include_str!("../../../recipes/dell_oemscript.yaml"),
    ),
    (
        "dragonboard",
        include_str!("../../../recipes/dragonboard.yaml"),
    ),
    (
        "fake_connector",
        include_str!("../../../recipes/fake_connector.yaml"),
    ),
    ("firmware", include_str!("../../../recipes/firmware.yaml")),
    (
        "hp_oemscript",
        include_str!("../../../recipes/hp_oemscript.yaml"),
    ),
    ("images", include_str!("../../../recipes/images.yaml")),
    (
        "lenovo_oemscript",
        include_str!("../../../recipes/lenovo_oemscript.yaml"),
    ),
    ("maas2", include_str!("../../../recipes/maas2.yaml")),
    ("maas_base", include_str!("../../../recipes/maas_base.yaml")),
    ("multi", include_str!("../../../recipes/multi.yaml")),
    ("muxpi", include_str!("../../../recipes/muxpi.yaml")),
    ("netboot", include_str!("../../../recipes/netboot.yaml")),
    (
        "noprovision",
        include_str!("../../../recipes/noprovision.yaml"),
    ),
    (
        "oem_autoinstall",
        include_str!("../../../recipes/oem_autoinstall.yaml"),
    ),
    ("oem_base", include_str!("../../../recipes/oem_base.yaml")),
    (
        "oemrecovery",
        include_str!("../../../recipes/oemrecovery.yaml"),
    ),
    ("oemscript", include_str!("../../../recipes/oemscript.yaml")),
    (
        "simulated_board",
        include_str!("../../../recipes/simulated_board.yaml"),
    ),
];

/// Scenarios by the recipe's name.
pub(super) const SCENARIOS: &[(&str, &str)] = &[
    ("base", include_str!("../../../recipes/base.test.yaml")),
    ("cm3", include_str!("../../../recipes/cm3.test.yaml")),
    (
        "control_host_iot",
        include_str!("../../../recipes/control_host_iot.test.yaml"),
    ),
    (
        "control_host_job",
        include_str!("../../../recipes/control_host_job.test.yaml"),
    ),
    (
        "control_host_kvm",
        include_str!("../../../recipes/control_host_kvm.test.yaml"),
    ),
    (
        "dell_oemscript",
        include_str!("../../../recipes/dell_oemscript.test.yaml"),
    ),
    (
        "dragonboard",
        include_str!("../../../recipes/dragonboard.test.yaml"),
    ),
    (
        "fake_connector",
        include_str!("../../../recipes/fake_connector.test.yaml"),
    ),
    (
        "firmware",
        include_str!("../../../recipes/firmware.test.yaml"),
    ),
    (
        "hp_oemscript",
        include_str!("../../../recipes/hp_oemscript.test.yaml"),
    ),
    ("images", include_str!("../../../recipes/images.test.yaml")),
    (
        "lenovo_oemscript",
        include_str!("../../../recipes/lenovo_oemscript.test.yaml"),
    ),
    ("maas2", include_str!("../../../recipes/maas2.test.yaml")),
    (
        "maas_base",
        include_str!("../../../recipes/maas_base.test.yaml"),
    ),
    ("multi", include_str!("../../../recipes/multi.test.yaml")),
    ("muxpi", include_str!("../../../recipes/muxpi.test.yaml")),
    (
        "netboot",
        include_str!("../../../recipes/netboot.test.yaml"),
    ),
    (
        "noprovision",
        include_str!("../../../recipes/noprovision.test.yaml"),
    ),
    (
        "oem_autoinstall",
        include_str!("../../../recipes/oem_autoinstall.test.yaml"),
    ),
    (
        "oem_base",
        include_str!("../../../recipes/oem_base.test.yaml"),
    ),
    (
        "oemrecovery",
        include_str!("../../../recipes/oemrecovery.test.yaml"),
    ),
    (
        "oemscript",
        include_str!("../../../recipes/oemscript.test.yaml"),
    ),
    (
        "simulated_board",
        include_str!("../../../recipes/simulated_board.test.yaml"),
    ),
];

/// Files by name.
pub(super) const ASSETS: &[(&str, &str)] = &[
    (
        "control_host_kvm/user-data-oem",
        include_str!("../../../recipes/files/control_host_kvm/user-data-oem"),
    ),
    (
        "images/ce-oem-iot/user-data",
        include_str!("../../../recipes/files/images/ce-oem-iot/user-data"),
    ),
    (
        "images/claim-device.sh",
        include_str!("../../../recipes/files/images/claim-device.sh"),
    ),
    (
        "images/classic/meta-data",
        include_str!("../../../recipes/files/images/classic/meta-data"),
    ),
    (
        "images/classic/user-data",
        include_str!("../../../recipes/files/images/classic/user-data"),
    ),
    (
        "images/detect-image.sh",
        include_str!("../../../recipes/files/images/detect-image.sh"),
    ),
    (
        "images/mount-labels.sh",
        include_str!("../../../recipes/files/images/mount-labels.sh"),
    ),
    (
        "images/pi-desktop-25/meta-data",
        include_str!("../../../recipes/files/images/pi-desktop-25/meta-data"),
    ),
    (
        "images/pi-desktop-25/user-data",
        include_str!("../../../recipes/files/images/pi-desktop-25/user-data"),
    ),
    (
        "images/pi-desktop/oem-config.service",
        include_str!("../../../recipes/files/images/pi-desktop/oem-config.service"),
    ),
    (
        "images/pi-desktop/preseed.cfg",
        include_str!("../../../recipes/files/images/pi-desktop/preseed.cfg"),
    ),
    (
        "images/uc20/99_nocloud.cfg",
        include_str!("../../../recipes/files/images/uc20/99_nocloud.cfg"),
    ),
    (
        "images/umount-labels.sh",
        include_str!("../../../recipes/files/images/umount-labels.sh"),
    ),
    (
        "images/unpack-qcow2.sh",
        include_str!("../../../recipes/files/images/unpack-qcow2.sh"),
    ),
    (
        "oem_autoinstall/deploy-image.sh",
        include_str!("../../../recipes/files/oem_autoinstall/deploy-image.sh"),
    ),
    (
        "oem_autoinstall/fetch-share.sh",
        include_str!("../../../recipes/files/oem_autoinstall/fetch-share.sh"),
    ),
    (
        "oem_autoinstall/prefer-boot.sh",
        include_str!("../../../recipes/files/oem_autoinstall/prefer-boot.sh"),
    ),
    (
        "oem_autoinstall/rdp-setup.sh",
        include_str!("../../../recipes/files/oem_autoinstall/rdp-setup.sh"),
    ),
    (
        "oem_autoinstall/redeploy.cfg",
        include_str!("../../../recipes/files/oem_autoinstall/redeploy.cfg"),
    ),
    (
        "oem_autoinstall/stock/grub.cfg",
        include_str!("../../../recipes/files/oem_autoinstall/stock/grub.cfg"),
    ),
    (
        "oem_autoinstall/stock/user-data",
        include_str!("../../../recipes/files/oem_autoinstall/stock/user-data"),
    ),
    (
        "oem_autoinstall/user-data",
        include_str!("../../../recipes/files/oem_autoinstall/user-data"),
    ),
    (
        "oemscript/arm-ubuntu-recovery.sh",
        include_str!("../../../recipes/files/oemscript/arm-ubuntu-recovery.sh"),
    ),
    (
        "oemscript/check-iso.sh",
        include_str!("../../../recipes/files/oemscript/check-iso.sh"),
    ),
    (
        "oemscript/fetch-iso.sh",
        include_str!("../../../recipes/files/oemscript/fetch-iso.sh"),
    ),
    (
        "oemscript/fetch-preseed.sh",
        include_str!("../../../recipes/files/oemscript/fetch-preseed.sh"),
    ),
    (
        "oemscript/fill-partition.sh",
        include_str!("../../../recipes/files/oemscript/fill-partition.sh"),
    ),
    (
        "oemscript/recovery-partition.sh",
        include_str!("../../../recipes/files/oemscript/recovery-partition.sh"),
    ),
    (
        "oemscript/ubuntu-recovery/add-packages",
        include_str!("../../../recipes/files/oemscript/ubuntu-recovery/add-packages"),
    ),
    (
        "oemscript/ubuntu-recovery/answers.cfg",
        include_str!("../../../recipes/files/oemscript/ubuntu-recovery/answers.cfg"),
    ),
    (
        "oemscript/ubuntu-recovery/grub-entry",
        include_str!("../../../recipes/files/oemscript/ubuntu-recovery/grub-entry"),
    ),
    (
        "oemscript/ubuntu-recovery/remove-packages",
        include_str!("../../../recipes/files/oemscript/ubuntu-recovery/remove-packages"),
    ),
    (
        "simulated_board/board.sh",
        include_str!("../../../recipes/files/simulated_board/board.sh"),
    ),
];
