package ecitest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// runTar is tar with c, x and t, f, C, z and v, in either spelling (cf, -cf); other options of
// one letter and long ones change nothing. It is what kubectl cp needs in a container.
func runTar(p *process) int {
	args := p.args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = append([]string{"-" + args[0]}, args[1:]...)
	}
	letters := map[byte]string{}
	var names []string
	for len(args) > 0 {
		if !strings.HasPrefix(args[0], "-") || args[0] == "-" {
			names, args = append(names, args[0]), args[1:]
			continue
		}
		var more map[byte]string
		more, args = flags(args, "fC")
		for letter, value := range more {
			letters[letter] = value
		}
	}
	base := p.path(letters['C'])
	if letters['C'] == "" {
		base = p.dir
	}
	file := letters['f']
	if file == "" {
		file = "-"
	}
	var err error
	switch {
	case letters['c'] != "":
		err = p.pack(file, base, names, letters)
	case letters['x'] != "", letters['t'] != "":
		err = p.unpack(file, base, letters)
	default:
		err = errors.New("one of c, x and t must be given")
	}
	if err != nil {
		return p.fail("tar", 2, "%v", err)
	}
	return 0
}

func (p *process) pack(file, base string, names []string, letters map[byte]string) error {
	if len(names) == 0 {
		return errors.New("empty archive")
	}
	to := p.out
	if file != "-" {
		f, err := p.x.files.open(p.path(file), flagCreate, 0o644)
		if err != nil {
			return errors.New(said(file, err))
		}
		to = f
	}
	to = counted{to, p.budget}
	if letters['z'] != "" {
		z := gzip.NewWriter(to)
		defer func() { _ = z.Close() }() // a reader that went away can't be told
		to = z
	}
	archive := tar.NewWriter(to)
	inside := *p
	inside.dir = base
	for _, name := range names {
		err := inside.tree(name, func(name string, info fileInfo) error {
			header, err := tar.FileInfoHeader(info, info.target)
			if err != nil {
				return err
			}
			// Names in an archive are relative, as tar makes them.
			if header.Name = strings.TrimLeft(name, "/"); header.Name == "" {
				header.Name = "."
			}
			if info.IsDir() {
				header.Name += "/"
			}
			var content []byte
			if info.mode.IsRegular() {
				if content, err = p.x.files.read(inside.path(name)); err != nil {
					return err
				}
				header.Size = int64(len(content))
			}
			if err := archive.WriteHeader(header); err != nil {
				return err
			}
			_, err = archive.Write(content)
			return err
		})
		if err != nil {
			return errors.New(said(name, err))
		}
	}
	return archive.Close()
}

// counted is an output within a budget.
type counted struct {
	io.Writer
	budget *budget
}

func (c counted) Write(b []byte) (int, error) {
	if !c.budget.spend(0, len(b)) {
		return 0, errKilled
	}
	return c.Writer.Write(b)
}

func (p *process) unpack(file, base string, letters map[byte]string) error {
	var from io.Reader = p
	if file != "-" {
		f, err := p.x.files.open(p.path(file), 0, 0)
		if err != nil {
			return errors.New(said(file, err))
		}
		from = f
	}
	if letters['z'] != "" {
		z, err := gzip.NewReader(from)
		if err != nil {
			return err
		}
		from = z
	}
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// What follows an archive's end is part of it: who sends it must get rid of it.
			_, _ = io.Copy(io.Discard, from)
			return nil
		}
		if err != nil {
			return err
		}
		if letters['t'] != "" {
			p.printf("%s\n", header.Name)
			continue
		}
		if letters['v'] != "" {
			p.printf("%s\n", header.Name)
		}
		name := path.Join(base, path.Clean("/"+header.Name)) // never above base
		if err := p.extract(archive, header, name); err != nil {
			return errors.New(said(header.Name, err))
		}
	}
}

func (p *process) extract(content io.Reader, header *tar.Header, name string) error {
	files := p.x.files
	if header.Typeflag == tar.TypeDir {
		return files.mkdir(name, true)
	}
	if err := files.mkdir(path.Dir(name), true); err != nil {
		return err
	}
	mode := header.FileInfo().Mode()
	switch header.Typeflag {
	case tar.TypeReg:
		f, err := files.open(name, flagCreate, mode)
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, content); err != nil {
			return err
		}
		return files.change(name, &mode, header.ModTime)
	case tar.TypeSymlink:
		_ = files.remove(name, false) // none: nothing to replace
		return files.link(header.Linkname, name)
	}
	return fmt.Errorf("a file of type %q is not known here", header.Typeflag)
}
