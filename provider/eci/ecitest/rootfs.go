package ecitest

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// filesOf is the file system of a group's container in its present run.
func (e *Emulator) filesOf(g *group, x *container, started time.Time) *files {
	for id := range e.disks {
		if e.groups[id] == nil {
			delete(e.disks, id)
		}
	}
	d := e.disks[g.ID]
	if d == nil {
		d = &disk{now: e.Now, volumes: map[string]*node{}, roots: map[string]*rootNode{}}
		e.disks[g.ID] = d
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	root := d.roots[x.Name]
	if root == nil || !root.started.Equal(started) {
		if root != nil {
			d.forget(root.node)
		}
		root = &rootNode{d.newNode(fs.ModeDir | 0o755), started}
		d.roots[x.Name] = root
		f := &files{d, root.node}
		f.install(g, x)
	}
	return &files{d, root.node}
}

// install lays out what every emulated container has, and its mounts. A mount that can't be
// made is left out: the directories above it are a file, as the pod asked for.
func (f *files) install(g *group, x *container) {
	for _, dir := range []string{"/bin", "/dev", "/etc", "/home", "/lib", "/mnt", "/opt", "/proc", "/root", "/sbin", "/srv", "/tmp", "/usr/bin", "/usr/local/bin", "/usr/sbin", "/var/log", "/var/run"} {
		_ = f.makeDir(dir, true) // there is room in a new disk
	}
	for name := range commands() {
		f.place("/bin/"+name, "", 0o755)
	}
	for _, shell := range []string{"sh", "ash", "bash", "echo", "pwd", "true", "false", "test", "[", "printf"} {
		f.place("/bin/"+shell, "", 0o755)
	}
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost\n" + g.IP + "\t" + g.Name + "\n"
	for i := 1; g.Given[fmt.Sprintf("HostAliase.%d.Ip", i)] != ""; i++ {
		hosts += g.Given[fmt.Sprintf("HostAliase.%d.Ip", i)] + "\t" + strings.Join(numbered(g.Given, fmt.Sprintf("HostAliase.%d.Hostname.", i)), " ") + "\n"
	}
	f.place("/etc/hosts", hosts, 0o644)
	f.place("/etc/hostname", g.Name+"\n", 0o644)
	f.place("/etc/resolv.conf", resolvConf(g), 0o644)
	f.place("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644)
	f.place("/etc/os-release", "NAME=\"emulated container\"\nID=ecitest\n", 0o644)
	for _, device := range []string{"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"} {
		if n, err := f.put("open", device, fs.ModeDevice|fs.ModeCharDevice|0o666); err == nil {
			n.device = true
		}
	}
	for _, m := range x.Mounts {
		f.mount(g, m)
	}
}

// place writes a file that belongs to the image.
func (f *files) place(name, content string, mode fs.FileMode) {
	if n, err := f.put("open", name, mode); err == nil && f.disk.grow(len(content)) == nil {
		n.content = []byte(content)
	}
}

// mount puts a volume, or what SubPath names of it, into the tree.
func (f *files) mount(g *group, m mount) {
	volume := f.disk.volumes[m.Name]
	readOnly := m.ReadOnly
	for i := range g.Volumes {
		if g.Volumes[i].Name != m.Name {
			continue
		}
		if volume == nil {
			volume = f.disk.volume(&g.Volumes[i])
			f.disk.volumes[m.Name] = volume
		}
		readOnly = readOnly || g.Volumes[i].Type == "ConfigFileVolume"
	}
	if volume == nil || f.makeDir(path.Dir(path.Clean("/"+m.MountPath)), true) != nil {
		return
	}
	source := volume
	if m.SubPath != "" {
		inside := &files{f.disk, volume}
		at, err := inside.walk(m.SubPath, true)
		if err == nil && at.node == nil && inside.makeDir(m.SubPath, true) == nil {
			at, err = inside.walk(m.SubPath, true)
		}
		if err != nil || at.node == nil {
			return
		}
		source = at.node
	}
	at, err := f.walk(m.MountPath, true)
	if err != nil || at.parent == nil {
		return
	}
	f.disk.nodes++
	at.parent.children[at.name] = &node{mode: source.mode, mounted: source, readOnly: readOnly}
}

// volume makes a volume's content: config files as they were sent; everything else is empty.
func (d *disk) volume(v *volume) *node {
	root := d.newNode(fs.ModeDir | 0o755)
	f := &files{d, root}
	usual := permissions(v.Params["ConfigFileVolume.DefaultMode"], 0o644)
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("ConfigFileVolume.ConfigFileToPath.%d.", i)
		name, ok := v.Params[prefix+"Path"]
		if !ok {
			return root
		}
		content, err := base64.StdEncoding.DecodeString(v.Params[prefix+"Content"])
		if err != nil || f.makeDir(path.Dir(path.Clean("/"+name)), true) != nil {
			continue // refused when the group was made
		}
		f.place(name, string(content), permissions(v.Params[prefix+"Mode"], usual))
	}
}

// permissions reads an octal mode.
func permissions(text string, otherwise fs.FileMode) fs.FileMode {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode == 0 {
		return otherwise
	}
	return fs.FileMode(mode).Perm()
}

func resolvConf(g *group) string {
	var b strings.Builder
	servers := numbered(g.Given, "DnsConfig.NameServer.")
	if len(servers) == 0 {
		servers = []string{"100.100.2.136", "100.100.2.138"} // the VPC's own
	}
	for _, server := range servers {
		b.WriteString("nameserver " + server + "\n")
	}
	if search := numbered(g.Given, "DnsConfig.Search."); len(search) > 0 {
		b.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	for i := 1; g.Given[fmt.Sprintf("DnsConfig.Option.%d.Name", i)] != ""; i++ {
		name, value := g.Given[fmt.Sprintf("DnsConfig.Option.%d.Name", i)], g.Given[fmt.Sprintf("DnsConfig.Option.%d.Value", i)]
		if value != "" {
			name += ":" + value
		}
		b.WriteString("options " + name + "\n")
	}
	return b.String()
}

// numbered are the values of prefix1, prefix2 and so on.
func numbered(params map[string]string, prefix string) []string {
	var out []string
	for i := 1; ; i++ {
		value, ok := params[prefix+strconv.Itoa(i)]
		if !ok {
			return out
		}
		out = append(out, value)
	}
}
