package integration

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// A copied is a running container under the random operations.
type copied struct {
	d          *docker
	id         string
	sh         *shell
	rand       *rand.Rand
	transcript []string
}

// seedTree is in the image, so that operations meet files of a lower layer: copies, whiteouts, opaque directories.
const seedTree = `mkdir -p /t/a/b /t/c /t/d/e/f; echo one >/t/a/one; echo two >/t/a/b/two; ln -s one /t/a/link; ln /t/a/one /t/c/hard;
echo suid >/t/c/suid; chown 7:8 /t/c/suid; chmod 4755 /t/c/suid; mkfifo /t/d/fifo; chown -R 1000:1000 /t/d; chmod 1777 /t/d/e;
for i in 1 2 3 4 5 6 7 8 9; do echo $i >/t/d/e/$i; done; find /t -exec touch -h -d '2001-02-03 04:05:06' {} +`

// noise writes, renames and removes beside the tree that is compared, without end.
const noise = `mkdir -p /noise; i=0; while :; do i=$((i+1)); echo $i >/noise/a$((i%7)); mv /noise/a$((i%7)) /noise/b$((i%5)); rm -rf /noise/d;
mkdir -p /noise/d/e; ln -s x /noise/d/e/l; echo $i >>/noise/log; [ $((i%50)) = 0 ] && : >/noise/log; usleep 2000; done`

func newCopied(t *testing.T, d *docker, seed uint64) *copied {
	t.Helper()
	d.image(t, "busybox")
	name := fmt.Sprintf("copied-%s-%d", d.runtime, seed)
	base := d.do(t, "run", "-d", "--runtime", "runc", "busybox", "sh", "-c", seedTree)
	d.cleanUp(t, base)
	equal(t, "status of the seeding container", d.do(t, "wait", base), "0")
	d.do(t, "commit", base, name)
	t.Cleanup(func() { d.do(t, "rmi", "-f", name) })
	id := d.container(t, name, "sh", "-c", noise)
	return &copied{d: d, id: id, sh: newShell(t, d.dockerd, id), rand: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a test
}

func (c *copied) note(what, seen string) { c.transcript = append(c.transcript, what+"\n"+seen) }

// step does one operation and looks from one of the sides, or from both.
func (c *copied) step(t *testing.T) {
	t.Helper()
	switch n := c.rand.IntN(10); {
	case n < 5:
		cmd := c.insideOperation()
		c.note("inside: "+cmd, c.sh.run(t, cmd))
	case n < 8:
		c.copyIn(t)
	default:
		c.copyOut(t)
	}
	switch c.rand.IntN(4) {
	case 0:
		c.note("look inside", c.inside(t))
	case 1:
		c.note("look outside", c.outside(t))
	}
}

func (c *copied) pick(from ...string) string { return from[c.rand.IntN(len(from))] }

// path is one of few, so that operations meet each other's files.
func (c *copied) path() string {
	p := "/t"
	for range 1 + c.rand.IntN(3) {
		p += "/" + c.pick("a", "b", "c", "d", "e", "one", "two", "link", "hard", "x")
	}
	return p
}

func (c *copied) dir() string {
	return c.pick("/t", "/t/a", "/t/a/b", "/t/c", "/t/d", "/t/d/e", "/t/x")
}

func (c *copied) insideOperation() string {
	p, q := c.path(), c.path()
	switch c.rand.IntN(13) {
	case 0:
		return fmt.Sprintf("echo %d >%s", c.rand.IntN(1000), p)
	case 1:
		return fmt.Sprintf("[ -p %s ] || echo %d >>%s", p, c.rand.IntN(1000), p)
	case 2:
		return "rm -rf " + p
	case 3:
		return "mkdir -p " + p
	case 4:
		return fmt.Sprintf("ln -s %s %s", c.pick("one", "../a", "/t/d", "/etc/passwd", "none"), p)
	case 5:
		return fmt.Sprintf("ln %s %s", p, q)
	case 6:
		return fmt.Sprintf("mv -T %s %s", p, q)
	case 7:
		return fmt.Sprintf("chmod %s %s", c.pick("600", "755", "4711", "2770", "1777", "0"), p)
	case 8:
		return fmt.Sprintf("chown -h %d:%d %s", c.rand.IntN(5)*1000, c.rand.IntN(3)*7, p)
	case 9:
		return "mkfifo " + p
	case 10:
		return fmt.Sprintf("rm -rf %s && cp -a %s %s", p, c.pick("/t/a", "/t/c", "/etc/passwd", "/home"), p)
	case 11:
		return fmt.Sprintf("touch -h -d '2002-02-0%d 01:02:03' %s", 1+c.rand.IntN(9), p)
	default:
		return fmt.Sprintf("[ -p %s ] || truncate -s %d %s", p, c.rand.IntN(100000), p)
	}
}

// inside is the tree as the container sees it.
func (c *copied) inside(t *testing.T) string {
	t.Helper()
	return c.sh.run(t, `find /t | sort | while read -r f; do stat -c '%n|%F|%a|%u:%g|%h|%N' "$f"; if [ -f "$f" ] && [ ! -L "$f" ]; then md5sum <"$f"; fi; done`)
}

// outside is the tree as docker cp sees it.
func (c *copied) outside(t *testing.T) string {
	t.Helper()
	r := c.d.try(t, "cp", "-a", c.id+":/t", "-")
	return c.plain(r.stderr) + listTar(t, r.stdout)
}

// copyOut copies one path out; what is not there must be said the same way.
func (c *copied) copyOut(t *testing.T) {
	t.Helper()
	p := c.path()
	flags := c.pick("-a", "-L", "-aL")
	r := c.d.try(t, "cp", flags, c.id+":"+p, "-")
	c.note("out: "+flags+" "+p, fmt.Sprint(r.code, " ", c.plain(r.stderr), listTar(t, r.stdout)))
}

// copyIn copies an archive of random files in.
func (c *copied) copyIn(t *testing.T) {
	t.Helper()
	to := c.dir()
	archive, names := c.randomTar(t)
	flags := []string{"cp"}
	if c.rand.IntN(2) == 0 {
		flags = append(flags, "-a")
	}
	names = strings.Join(flags[1:], " ") + " to " + to + ": " + names
	cmd := c.d.command(append(flags, "-", c.id+":"+to)...)
	cmd.Stdin = strings.NewReader(archive)
	r := run(t, cmd)
	c.note("in"+names, fmt.Sprint(r.code, " ", c.plain(r.stderr)))
}

func (c *copied) sortedDiff(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, l := range strings.Split(c.d.do(t, "diff", c.id), "\n") {
		if !strings.Contains(l, "/noise") {
			lines = append(lines, l)
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

var changing = regexp.MustCompile(`/tmp/bhd-[0-9]+|[0-9a-f]{64}`)

// plain is a message without what differs from container to container.
func (c *copied) plain(s string) string { return changing.ReplaceAllString(s, "...") }
