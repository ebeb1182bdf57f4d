package integration

import "testing"

var corpusLanguages = []corpusImage{
	{name: "nodejs", small: true, base: "node", what: "requests with workers, children, files, crypto", command: []string{"node", "/corpus/server.js"},
		options: []string{"--init"}, restricted: as("nobody", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "node /corpus/server.js client", "content 64 from the child")
			equal(t, "answers", d.sh(t, id, "node /corpus/server.js client"), "content 64 from the child")
		}},
	{name: "python3", base: "languages", what: "threads, processes, asyncio, SQLite, HTTP", command: []string{"python3", "/corpus/python.py"},
		restricted: as("nobody", "/tmp"), load: finishes},
	{name: "openjdk", base: "languages", what: "requests, files, child process, collections", command: []string{"java", "-Xmx256m", "/corpus/Server.java"},
		restricted: as("nobody", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitLog(t, id, "served")
			d.waitSh(t, id, "curl -fsS http://127.0.0.1:8080/", "Content 3")
			d.sh(t, id, "jcmd 1 Thread.print >/dev/null && jcmd 1 GC.heap_info")
		}},
	{name: "golang", base: "languages", what: "build, test and run a module", command: []string{"/corpus/golang.sh", "/tmp"},
		restricted: append(as("nobody", "/tmp"), "-e", "NORUN=1"), load: finishes},
	{name: "git-gcc", base: "languages", what: "commits, merge, gc, clone, parallel make, run", command: []string{"/corpus/build.sh", "/tmp"},
		restricted: append(as("nobody", "/tmp"), "-e", "NORUN=1"), load: finishes},
}

var corpusTools = []corpusImage{
	{name: "apt", base: "languages", what: "update and install over HTTP, maintainer scripts, ping, purge", command: []string{"/corpus/apt.sh"},
		unfit: "apt is root and writes the image's own files", load: finishes},
	{name: "coreutils", base: "debian", what: "bash, coreutils, tar, find", command: []string{"/corpus/coreutils.sh", "/var/tmp"},
		restricted: as("nobody", "/var/tmp", "/tmp"), load: finishes},
	{name: "busybox", base: "busybox", what: "applets: httpd, wget, nc, tar, awk", command: []string{"/corpus/busybox.sh", "/tmp"},
		restricted: as("app", "/tmp"), load: finishes},
}
