package profiles

import (
	"path"
	"strings"
	"testing"
)

// classOf gives the strictest class of the entries that are the path, or lie above it and take it along.
func classOf(table []ProtectedEntry, file string) string {
	found := map[string]bool{}
	for at := file; ; at = path.Dir(at) {
		for _, e := range table {
			match, err := path.Match(e.Path, at)
			if err == nil && match && (at == file || e.Class != "self" && at != "/") {
				found[e.Class] = true
			}
		}
		if at == "/" {
			break
		}
	}
	for _, class := range []string{"refused", "engine", "readonly", "self"} {
		if found[class] {
			return class
		}
	}
	return ""
}

// A directory above a refused path is refused too, even read-only.
func TestUsualReadonlyBindsHoldNothingRefused(t *testing.T) {
	table, err := Protected()
	if err != nil {
		t.Fatal(err)
	}
	usual := "/usr /usr/share /etc/ssl/certs /etc/pki/ca-trust /etc/localtime /lib/modules /opt /srv /home /home/ann /tmp /var/log /var/log/pods " +
		"/var/tmp /var/www /run/udev /run/log /run/systemd/journal"
	for dir := range strings.FieldsSeq(usual) {
		for _, e := range table {
			if (e.Class == "refused" || e.Class == "engine") && strings.HasPrefix(e.Path, dir+"/") {
				t.Errorf("%s is refused for the sake of %s", dir, e.Path)
			}
		}
	}
}

func TestProtectedTable(t *testing.T) {
	table, err := Protected()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range table {
		if !cleanAbs(e.Path) || seen[e.Path] {
			t.Errorf("%q is not clean, or there twice", e.Path)
		}
		seen[e.Path] = true
		if strings.HasPrefix(e.Path, "/var/run") {
			t.Errorf("%q: /var/run is a link to /run", e.Path)
		}
		if e.Why == "" || len(e.Why) > 60 || strings.HasSuffix(e.Why, ".") {
			t.Errorf("%q: why is %q, want a few words", e.Path, e.Why)
		}
		if e.Class != "refused" && e.Class != "readonly" && e.Class != "self" && e.Class != "engine" {
			t.Errorf("%q has class %q", e.Path, e.Class)
		}
	}
}

func TestProtectedClasses(t *testing.T) {
	table, err := Protected()
	if err != nil {
		t.Fatal(err)
	}
	for class, files := range map[string]string{
		"refused": "/ /proc /proc/1/root /sys /sys/fs/cgroup /dev /dev/sda /root /root/.ssh /boot /run/docker.sock " +
			"/run/containerd/containerd.sock /run/crio/crio.sock /run/podman/podman.sock /run/buildkit/buildkitd.sock " +
			"/run/systemd/private /run/dbus/system_bus_socket /run/bulkhead /etc/bulkhead/bulkhead.json /etc/shadow " +
			"/etc/gshadow- /etc/ssh/ssh_host_ed25519_key /etc/ssl/private/server.key /etc/kubernetes/admin.conf " +
			"/etc/sudoers.d/admin /run/user/1000/docker.sock /var/lib/etcd /var/lib/systemd/credential.secret",
		"engine": "/var/lib/docker /var/lib/docker/volumes/v/_data /var/lib/containerd /run/containerd/io.containerd.grpc.v1.cri " +
			"/run/docker/netns /var/lib/containers/storage /run/containers /var/lib/kubelet/pods /run/crio /var/lib/rancher",
		"readonly": "/etc /etc/localtime /etc/resolv.conf /etc/ssl/certs /usr /usr/share/zoneinfo /bin /sbin /lib /lib64 /lib32 " +
			"/lib/modules /var/spool/cron/crontabs /var/lib/systemd /var/lib/dpkg/info /var/lib/rpm /home/ann/.ssh " +
			"/home/ann/.ssh/authorized_keys /home/ann/.bashrc /home/ann/.config/systemd/user /run/systemd/system /opt/cni/bin /var/log/journal",
		"self": "/opt /srv /home /var /var/lib /var/log /run /tmp /var/tmp",
		"": "/var/lib/app /var/lib/postgresql/data /var/www /opt/app/data /srv/x /tmp/x /home/ann /home/ann/src /home/ann/.config/app /data /mnt/disk " +
			"/run/app.sock /run/user/1000/app /var/log/app /var/log/nginx",
	} {
		for file := range strings.FieldsSeq(files) {
			if got := classOf(table, file); got != class {
				t.Errorf("%s is %q, want %q", file, got, class)
			}
		}
	}
}
