//! One image of each kind that muxpi tells apart, as little of it as tells it apart.

use crate::image::Image;

/// The word that `detect-image.sh` says, and an image for which it must.
pub(crate) type Kind = (&'static str, fn() -> Image);

/// Every word; `unknown` last.
pub(crate) const KINDS: [Kind; 10] = [
    ("ce-oem-iot-before-24", || {
        iot("iot-limerick-kria-classic-desktop-2204-x07-20240101-1")
            .ext4("system-boot", &[("user-data", "#cloud-config\n")])
    }),
    ("ce-oem-iot-24-and-beyond", || {
        iot("iot-limerick-classic-server-2404-x01-20250101-1")
    }),
    ("tegra", || {
        Image::new().ext4(
            "writable",
            &[
                ("lib/firmware/nvidia-tegra210/", ""),
                ("boot/grub/grub.cfg", "set timeout=10\n"),
                (
                    "etc/default/grub",
                    "GRUB_TIMEOUT=10\nGRUB_CMDLINE_LINUX=\"\"\n",
                ),
                ("etc/sudoers.d/README", ""),
            ],
        )
    }),
    ("pi-desktop-25", || desktop("\"25.04\"")),
    ("pi-desktop", || desktop("\"9.10\"")),
    ("ubuntu", || {
        Image::new().vfat("system-boot").ext4(
            "writable",
            &[(
                "etc/cloud/cloud.cfg.d/99-fake_cloud.cfg",
                "datasource_list: [None]\n",
            )],
        )
    }),
    ("core", || {
        Image::new().ext4("writable", &[("system-data/var/lib/snapd/", "")])
    }),
    ("core20", || {
        Image::new()
            .ext4("ubuntu-seed", &[("snaps/", "")])
            .ext4("ubuntu-boot", &[])
    }),
    ("ubuntu-cpc", || {
        Image::new().ext4("cloudimg-rootfs", &[("etc/cloud/cloud.cfg", "")])
    }),
    ("unknown", || Image::new().ext4("writable", &[("srv/", "")])),
];

fn iot(stamp: &str) -> Image {
    Image::new().ext4(
        "writable",
        &[
            (".disk/info", &format!("{stamp}\n")),
            ("etc/sudoers.d/README", ""),
            ("usr/bin/firefox", ""),
        ],
    )
}

fn desktop(version: &str) -> Image {
    Image::new().ext4(
        "writable",
        &[
            ("usr/bin/firefox", "#!/bin/sh\n"),
            (
                "etc/os-release",
                &format!("ID=ubuntu\nVERSION_ID={version}\n"),
            ),
            ("etc/sudoers.d/README", ""),
            ("etc/cloud/cloud.cfg.d/99-fake_cloud.cfg", ""),
            (
                "etc/systemd/system/multi-user.target.wants/NetworkManager.service",
                "-> /lib/systemd/system/NetworkManager.service",
            ),
        ],
    )
}
