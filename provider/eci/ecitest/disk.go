package ecitest

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The most that one group's containers keep in their files together: they are in memory.
const (
	maxDiskBytes = 16 << 20
	maxDiskNodes = 10_000
)

// A disk is what the containers of one group find as files. Nothing of it is the host's: it
// lives in memory, and only until the group is gone or the emulator ends.
type disk struct {
	now func() time.Time

	mu      sync.Mutex // guards everything below, and all nodes
	bytes   int
	nodes   int
	volumes map[string]*node     // by name
	roots   map[string]*rootNode // by container
}

// A rootNode is a container's own files. They last as long as one run of the container.
type rootNode struct {
	*node
	started time.Time
}

// A node is a file, a directory or a symbolic link.
type node struct {
	mode     fs.FileMode
	modified time.Time
	content  []byte           // of a file
	target   string           // of a link
	children map[string]*node // of a directory
	// A mount: the node stands for another one, which may be read only here.
	mounted  *node
	readOnly bool
	device   bool // takes everything and gives nothing
}

func (n *node) isDir() bool  { return n.mode.IsDir() }
func (n *node) isLink() bool { return n.mode&fs.ModeSymlink != 0 }

func (d *disk) newNode(mode fs.FileMode) *node {
	d.nodes++
	n := &node{mode: mode, modified: d.now()}
	if n.isDir() {
		n.children = map[string]*node{}
	}
	return n
}

// A files is the file system of one container. All paths are absolute.
type files struct {
	disk *disk
	root *node
}

// maxLinks is how many symbolic links one path may lead through.
const maxLinks = 40

// A place is where a path leads.
type place struct {
	node     *node // nil: there is none
	parent   *node // nil: the root itself
	name     string
	readOnly bool
	mount    bool // the node is where something is mounted
}

// walk follows a path; the last element's link only with follow. It needs disk.mu.
func (f *files) walk(name string, follow bool) (place, error) {
	links := 0
	at := place{node: f.root}
	rest := strings.Split(path.Clean("/"+name), "/")
	trail := []place{at}
	for len(rest) > 0 {
		element := rest[0]
		rest = rest[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(trail) > 1 {
				trail = trail[:len(trail)-1]
			}
			at = trail[len(trail)-1]
			continue
		}
		if at.node == nil {
			return place{}, fs.ErrNotExist
		}
		if !at.node.isDir() {
			return place{}, syscall.ENOTDIR
		}
		next := place{node: at.node.children[element], parent: at.node, name: element, readOnly: at.readOnly}
		if next.node != nil && next.node.mounted != nil {
			next.readOnly, next.mount = next.readOnly || next.node.readOnly, true
			next.node = next.node.mounted
		}
		if next.node != nil && next.node.isLink() && (follow || len(rest) > 0) {
			if links++; links > maxLinks {
				return place{}, syscall.ELOOP
			}
			rest = append(strings.Split(next.node.target, "/"), rest...)
			if strings.HasPrefix(next.node.target, "/") {
				trail = trail[:1]
				at = trail[0]
			}
			continue
		}
		at = next
		trail = append(trail, at)
	}
	return at, nil
}

func failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// find is the node of a path.
func (f *files) find(op, name string, follow bool) (place, error) {
	at, err := f.walk(name, follow)
	if err == nil && at.node == nil {
		err = fs.ErrNotExist
	}
	return at, failed(op, name, err)
}

// grow accounts for bytes more.
func (d *disk) grow(by int) error {
	if d.bytes+by > maxDiskBytes || d.nodes > maxDiskNodes {
		return syscall.ENOSPC
	}
	d.bytes += by
	return nil
}

// put makes a node at a path whose parent must exist.
func (f *files) put(op, name string, mode fs.FileMode) (*node, error) {
	at, err := f.walk(name, true)
	switch {
	case err != nil:
	case at.node != nil:
		err = fs.ErrExist
	case at.readOnly:
		err = syscall.EROFS
	default:
		if err = f.disk.grow(0); err == nil {
			n := f.disk.newNode(mode)
			at.parent.children[at.name], at.parent.modified = n, n.modified
			return n, nil
		}
	}
	return nil, failed(op, name, err)
}

// A fileInfo describes a node as it was.
type fileInfo struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
	target   string
}

func (i fileInfo) Name() string               { return i.name }
func (i fileInfo) Size() int64                { return i.size }
func (i fileInfo) Mode() fs.FileMode          { return i.mode }
func (i fileInfo) ModTime() time.Time         { return i.modified }
func (i fileInfo) IsDir() bool                { return i.mode.IsDir() }
func (i fileInfo) Sys() any                   { return nil }
func (i fileInfo) Type() fs.FileMode          { return i.mode.Type() }
func (i fileInfo) Info() (fs.FileInfo, error) { return i, nil }

func (n *node) info(name string) fileInfo {
	size := int64(len(n.content))
	switch {
	case n.isDir():
		size = 4096
	case n.isLink():
		size = int64(len(n.target))
	}
	return fileInfo{path.Base(name), size, n.mode, n.modified, n.target}
}

func (f *files) stat(name string, follow bool) (fileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.find("stat", name, follow)
	if err != nil {
		return fileInfo{}, err
	}
	return at.node.info(name), nil
}

// list is a directory's content, sorted.
func (f *files) list(name string) ([]fs.DirEntry, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if !at.node.isDir() {
		return nil, failed("readdir", name, syscall.ENOTDIR)
	}
	var out []fs.DirEntry
	for _, child := range slices.Sorted(maps.Keys(at.node.children)) {
		n := at.node.children[child]
		if n.mounted != nil {
			n = n.mounted
		}
		out = append(out, n.info(child))
	}
	return out, nil
}

// read is a copy of a file.
func (f *files) read(name string) ([]byte, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if at.node.isDir() {
		return nil, failed("read", name, syscall.EISDIR)
	}
	return bytes.Clone(at.node.content), nil
}

// write replaces a file or makes one.
func (f *files) write(name string, content []byte, mode fs.FileMode) error {
	file, err := f.open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return err
}

// mkdir makes a directory; all makes its parents too and takes one that is there.
func (f *files) mkdir(name string, all bool) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.makeDir(name, all)
}

func (f *files) makeDir(name string, all bool) error {
	if !all {
		_, err := f.put("mkdir", name, fs.ModeDir|0o755)
		return err
	}
	at, err := f.walk(name, true)
	switch {
	case err == nil && at.node != nil && at.node.isDir():
		return nil
	case err == nil && at.node != nil:
		return failed("mkdir", name, syscall.ENOTDIR)
	}
	if parent := path.Dir(path.Clean("/" + name)); parent != "/" {
		if err := f.makeDir(parent, true); err != nil {
			return err
		}
	}
	_, err = f.put("mkdir", name, fs.ModeDir|0o755)
	return err
}

// link makes a symbolic link.
func (f *files) link(target, name string) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.walk(name, false)
	switch {
	case err != nil:
	case at.node != nil:
		err = fs.ErrExist
	case at.readOnly:
		err = syscall.EROFS
	default:
		if err = f.disk.grow(len(target)); err == nil {
			n := f.disk.newNode(fs.ModeSymlink | 0o777)
			n.target = target
			at.parent.children[at.name] = n
		}
	}
	return failed("symlink", name, err)
}

// remove takes a file or a directory away; a directory with something in it only with all.
func (f *files) remove(name string, all bool) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.find("remove", name, false)
	switch {
	case err != nil:
		return err
	case at.parent == nil || at.mount || f.disk.holdsMount(at.node):
		err = syscall.EBUSY
	case at.readOnly:
		err = syscall.EROFS
	case at.node.isDir() && len(at.node.children) > 0 && !all:
		err = syscall.ENOTEMPTY
	default:
		f.disk.forget(at.node)
		delete(at.parent.children, at.name)
		at.parent.modified = f.disk.now()
	}
	return failed("remove", name, err)
}

func (d *disk) holdsMount(n *node) bool {
	for _, child := range n.children {
		if child.mounted != nil || d.holdsMount(child) {
			return true
		}
	}
	return false
}

// forget gives a node's space back.
func (d *disk) forget(n *node) {
	d.bytes -= len(n.content) + len(n.target)
	d.nodes--
	for _, child := range n.children {
		d.forget(child)
	}
}

// rename moves a file or directory to a path where nothing is, or a file.
func (f *files) rename(from, to string) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.find("rename", from, false)
	if err != nil {
		return err
	}
	target, err := f.walk(to, false)
	switch {
	case err != nil:
	case at.parent == nil || at.mount || target.mount || f.disk.holdsMount(at.node):
		err = syscall.EBUSY
	case at.readOnly || target.readOnly:
		err = syscall.EROFS
	case target.node == at.node:
		return nil
	case target.node != nil && (target.node.isDir() || at.node.isDir()):
		err = fs.ErrExist
	case target.parent == nil || within(at.node, target.parent):
		err = syscall.EINVAL
	default:
		if target.node != nil {
			f.disk.forget(target.node)
		}
		delete(at.parent.children, at.name)
		target.parent.children[target.name] = at.node
	}
	return failed("rename", to, err)
}

// within reports that a node is in the tree below another.
func within(tree, n *node) bool {
	if tree == n {
		return true
	}
	for _, child := range tree.children {
		if within(child, n) {
			return true
		}
	}
	return false
}

// change sets the permissions or the time of a file; zero: as they were.
func (f *files) change(name string, mode *fs.FileMode, modified time.Time) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.find("change", name, true)
	if err != nil {
		return err
	}
	if at.readOnly {
		return failed("change", name, syscall.EROFS)
	}
	if mode != nil {
		at.node.mode = at.node.mode.Type() | mode.Perm()
	}
	if !modified.IsZero() {
		at.node.modified = modified
	}
	return nil
}

// open is open(2) for files.
func (f *files) open(name string, flag int, mode fs.FileMode) (*openFile, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	at, err := f.walk(name, true)
	if err != nil {
		return nil, failed("open", name, err)
	}
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case at.node == nil && flag&os.O_CREATE != 0:
		if at.node, err = f.put("open", name, mode.Perm()); err != nil {
			return nil, err
		}
	case at.node == nil:
		return nil, failed("open", name, fs.ErrNotExist)
	case at.node.isDir() && writes:
		return nil, failed("open", name, syscall.EISDIR)
	case at.readOnly && writes:
		return nil, failed("open", name, syscall.EROFS)
	}
	file := &openFile{disk: f.disk, node: at.node, name: name, writes: writes, end: flag&os.O_APPEND != 0}
	if writes && flag&os.O_TRUNC != 0 {
		f.disk.bytes -= len(at.node.content)
		at.node.content, at.node.modified = nil, f.disk.now()
	}
	return file, nil
}

// An openFile reads and writes at its own offset.
type openFile struct {
	disk        *disk
	node        *node
	name        string
	writes, end bool
	offset      int
}

func (o *openFile) Read(b []byte) (int, error) {
	o.disk.mu.Lock()
	defer o.disk.mu.Unlock()
	if o.node.isDir() {
		return 0, failed("read", o.name, syscall.EISDIR)
	}
	if o.offset >= len(o.node.content) {
		return 0, io.EOF
	}
	n := copy(b, o.node.content[o.offset:])
	o.offset += n
	return n, nil
}

func (o *openFile) Write(b []byte) (int, error) {
	o.disk.mu.Lock()
	defer o.disk.mu.Unlock()
	if !o.writes {
		return 0, failed("write", o.name, syscall.EBADF)
	}
	if o.node.device {
		return len(b), nil
	}
	if o.end {
		o.offset = len(o.node.content)
	}
	if more := o.offset + len(b) - len(o.node.content); more > 0 {
		if err := o.disk.grow(more); err != nil {
			return 0, failed("write", o.name, err)
		}
		o.node.content = append(o.node.content, make([]byte, more)...)
	}
	copy(o.node.content[o.offset:], b)
	o.offset += len(b)
	o.node.modified = o.disk.now()
	return len(b), nil
}

// Close ends nothing: what was written is there.
func (o *openFile) Close() error { return nil }

// flagCreate opens a file to replace what it contains.
const flagCreate = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
