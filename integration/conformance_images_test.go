package integration

// What runc's suite expects of its images: applets that are hard links, because it changes modes of files in the bundle
// from outside, where a symbolic link leads to the host's own; and users and groups of the official image.
var suiteBusybox = recipe{name: "suite-busybox", script: `
cd "$1"
mkdir -p bin etc dev tmp root home usr/bin var/spool/mail var/www
chmod 1777 tmp; chmod 700 root
install -m 755 "$(command -v busybox)" bin/busybox
for applet in $(bin/busybox --list); do [ "$applet" = busybox ] || ln bin/busybox "bin/$applet"; done
printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false bin:x:2:2:bin:/bin:/bin/false \
	sys:x:3:3:sys:/dev:/bin/false sync:x:4:100:sync:/bin:/bin/sync mail:x:8:8:mail:/var/spool/mail:/bin/false \
	www-data:x:33:33:www-data:/var/www:/bin/false operator:x:37:37:Operator:/var:/bin/false \
	nobody:x:65534:65534:nobody:/home:/bin/false >etc/passwd
printf '%s\n' root:x:0: daemon:x:1: bin:x:2: sys:x:3: mail:x:8: www-data:x:33: operator:x:37: users:x:100: nogroup:x:65534: >etc/group
`}

// The suite unpacks it for each case, so what no case uses is left out.
var suiteDebian = recipe{name: "suite-debian", from: "debian", script: `
cd "$1"
rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/zoneinfo usr/share/i18n usr/share/perl usr/share/info \
	usr/share/bash-completion var/lib/dpkg/info var/cache usr/lib/*/perl* usr/lib/*/gconv usr/lib/apt
`}
