package ecitest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the command of that name
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// commands are the programs of every emulated container, with the options that people use.
func commands() map[string]func(*process) int {
	return map[string]func(*process) int{
		"base64": runBase64, "basename": runBasename, "cat": runCat, "chmod": runChmod, "cp": runCopy, "cut": runCut, "date": runDate,
		"df": runDF, "dirname": runDirname, "du": runDU, "env": runEnv, "find": runFind, "grep": runGrep, "head": runHead, "hostname": runHostname,
		"id": runID, "ln": runLink, "ls": runList, "md5sum": sum("md5sum"), "mkdir": runMkdir, "mv": runMove, "nproc": runNproc, "printenv": runEnv,
		"ps": runPS, "readlink": runReadlink, "rm": runRemove, "rmdir": runRmdir, "seq": runSeq, "sha256sum": sum("sha256sum"), "sleep": runSleep,
		"sort": runSort, "stat": runStat, "stty": runStty, "tail": runTail, "tar": runTar, "tee": runTee, "touch": runTouch, "tr": runTr, "tty": runTTY,
		"uname": runUname, "uniq": runUniq, "wc": runCount, "whoami": runWhoami, "xargs": runXargs, "yes": runYes,
		"echo": runEcho, "pwd": runPwd, "true": func(*process) int { return 0 }, "false": func(*process) int { return 1 },
		"printf": inShell("printf"), "test": inShell("test"), "[": inShell("["), "clear": func(p *process) int { p.printf("\x1b[H\x1b[J"); return 0 },
		"nslookup": network((*execution).nslookup), "nc": network((*execution).connect),
		"curl": network(func(x *execution, args []string) (string, int) { return x.get("curl", args) }),
		"wget": network(func(x *execution, args []string) (string, int) { return x.get("wget", args) }),
		"sh":   shellProgram("sh"), "ash": shellProgram("ash"), "bash": shellProgram("bash"),
	}
}

func shellProgram(name string) func(*process) int {
	return func(p *process) int { return p.x.sh(p, name) }
}

// inShell runs a command that the shell has as its own.
func inShell(name string) func(*process) int {
	return func(p *process) int { return p.x.interpret(p, name, name+` "$@"`, p.args) }
}

// network answers by the routes.
func network(ask func(*execution, []string) (string, int)) func(*process) int {
	return func(p *process) int {
		text, code := ask(p.x, p.args)
		p.printf("%s", text)
		return code
	}
}

func runEcho(p *process) int {
	args, end := p.args, "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, end = args[1:], ""
	}
	p.printf("%s%s", strings.Join(args, " "), end)
	return 0
}

func runPwd(p *process) int { p.printf("%s\n", p.dir); return 0 }

// runEnv prints the environment, one variable of it, or runs a command with more.
func runEnv(p *process) int {
	args := p.args
	for len(args) > 0 && strings.Contains(args[0], "=") {
		p.env = append(p.env, args[0])
		args = args[1:]
	}
	values := map[string]string{}
	var order []string
	for _, v := range p.env {
		key, value, _ := strings.Cut(v, "=")
		if _, known := values[key]; !known {
			order = append(order, key)
		}
		values[key] = value
	}
	if len(args) > 0 {
		// printenv NAME, and env COMMAND: a name that is set is not run.
		if value, ok := values[args[0]]; ok {
			p.printf("%s\n", value)
			return 0
		}
		return p.x.start(p, args)
	}
	for _, key := range order {
		p.printf("%s=%s\n", key, values[key])
	}
	return 0
}

func runHostname(p *process) int { p.printf("%s\n", p.x.hostname); return 0 }
func runWhoami(p *process) int   { p.printf("root\n"); return 0 }
func runID(p *process) int       { p.printf("uid=0(root) gid=0(root) groups=0(root)\n"); return 0 }
func runNproc(p *process) int    { p.printf("%d\n", max(1, int(p.x.cpu))); return 0 }

func runUname(p *process) int {
	if len(p.args) > 0 && p.args[0] == "-a" {
		p.printf("Linux %s 5.10.0-ecitest #1 SMP x86_64 Linux\n", p.x.hostname)
		return 0
	}
	if len(p.args) > 0 && p.args[0] == "-m" {
		p.printf("x86_64\n")
		return 0
	}
	p.printf("Linux\n")
	return 0
}

func runPS(p *process) int {
	p.printf("PID   USER     TIME  COMMAND\n    1 root      0:00 %s\n    7 root      0:00 ps\n", strings.Join(p.x.main, " "))
	return 0
}

func runTTY(p *process) int {
	if !p.x.tty {
		p.printf("not a tty\n")
		return 1
	}
	p.printf("/dev/pts/0\n")
	return 0
}

func runStty(p *process) int {
	if !p.x.tty {
		return p.fail("stty", 1, "standard input: Not a tty")
	}
	if len(p.args) == 1 && p.args[0] == "size" {
		width, height := p.x.size()
		p.printf("%d %d\n", height, width)
		return 0
	}
	return p.fail("stty", 1, "only size is known here")
}

func runSleep(p *process) int {
	total := 0.0
	for _, arg := range p.args {
		unit := 1.0
		switch {
		case strings.HasSuffix(arg, "m"):
			unit = 60
		case strings.HasSuffix(arg, "h"):
			unit = 3600
		}
		n, err := strconv.ParseFloat(strings.TrimRight(arg, "smh"), 64)
		if err != nil || n < 0 || n > 1e6 {
			return p.fail("sleep", 1, "invalid number '%s'", arg)
		}
		total += n * unit
	}
	if !pause(p.ctx, time.Duration(total*float64(time.Second))) {
		return interrupted
	}
	return 0
}

func runDate(p *process) int {
	now := p.x.now()
	layout := "Mon Jan _2 15:04:05 MST 2006"
	for _, arg := range p.args {
		switch {
		case arg == "+%s":
			p.printf("%d\n", now.Unix())
			return 0
		case arg == "-Iseconds":
			layout = time.RFC3339
		case strings.HasPrefix(arg, "+"):
			layout = strings.NewReplacer("%Y", "2006", "%m", "01", "%d", "02", "%H", "15", "%M", "04", "%S", "05", "%F", "2006-01-02", "%T", "15:04:05", "%Z", "MST").Replace(arg[1:])
		}
	}
	p.printf("%s\n", now.Format(layout))
	return 0
}

func runBasename(p *process) int {
	if len(p.args) == 0 {
		return p.fail("basename", 1, "missing operand")
	}
	name := path.Base(p.args[0])
	if len(p.args) > 1 && name != p.args[1] {
		name = strings.TrimSuffix(name, p.args[1])
	}
	p.printf("%s\n", name)
	return 0
}

func runDirname(p *process) int {
	if len(p.args) == 0 {
		return p.fail("dirname", 1, "missing operand")
	}
	p.printf("%s\n", path.Dir(p.args[0]))
	return 0
}

func runSeq(p *process) int {
	first, last := 1, 0
	var err error
	switch len(p.args) {
	case 1:
		last, err = strconv.Atoi(p.args[0])
	case 2:
		if first, err = strconv.Atoi(p.args[0]); err == nil {
			last, err = strconv.Atoi(p.args[1])
		}
	default:
		return p.fail("seq", 1, "one or two numbers are known here")
	}
	if err != nil {
		return p.fail("seq", 1, "invalid number")
	}
	for i := first; i <= last && p.ctx.Err() == nil; i++ {
		p.printf("%d\n", i)
	}
	return 0
}

func runYes(p *process) int {
	word := "y"
	if len(p.args) > 0 {
		word = strings.Join(p.args, " ")
	}
	text := strings.Repeat(word+"\n", 1+8192/(len(word)+1))
	for p.ctx.Err() == nil && p.failed == nil {
		p.write(p.out, text)
	}
	return 0
}

// runXargs runs a command once, with the words of its input after its own.
func runXargs(p *process) int {
	words, err := io.ReadAll(io.LimitReader(p, maxScript))
	if err != nil {
		return p.fail("xargs", 1, "%v", err)
	}
	command := p.args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	p.in = nil
	return p.x.start(p, append(slices.Clone(command), strings.Fields(string(words))...))
}

func runCat(p *process) int {
	if len(p.args) == 0 {
		p.copy(p)
		return 0
	}
	return p.inputs("cat", p.args, func(name string, content []byte) { p.printf("%s", content) })
}

// copy carries what is read as it comes.
func (p *process) copy(from io.Reader) {
	buffer := make([]byte, 32<<10)
	for p.ctx.Err() == nil {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, p.failed = p.out.Write(buffer[:n]); p.failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func runTee(p *process) int {
	letters, names := flags(p.args, "")
	content, err := p.content("-")
	if err != nil {
		return p.fail("tee", 1, "%v", err)
	}
	code := 0
	for _, name := range names {
		text := content
		if letters['a'] != "" {
			before, _ := p.x.files.read(p.path(name)) // none: a new file
			text = append(before, content...)
		}
		if err := p.x.files.write(p.path(name), text, 0o644); err != nil {
			code = p.fail("tee", 1, "%s", said(name, err))
		}
	}
	p.printf("%s", content)
	return code
}

// lineCount reads -n 5, -5 and -n +5.
func lineCount(args []string, otherwise string) (letters map[byte]string, count string, rest []string) {
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0][1] >= '0' && args[0][1] <= '9' {
		args = append([]string{"-n", args[0][1:]}, args[1:]...)
	}
	letters, rest = flags(args, "nc")
	if count = letters['n']; count == "" {
		count = otherwise
	}
	return letters, count, rest
}

func runHead(p *process) int {
	letters, count, names := lineCount(p.args, "10")
	if letters['c'] != "" {
		count = letters['c']
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return p.fail("head", 1, "invalid number '%s'", count)
	}
	return p.inputs("head", names, func(_ string, content []byte) {
		if letters['c'] != "" {
			p.printf("%s", content[:min(n, len(content))])
			return
		}
		lines := bytes.SplitAfter(content, []byte("\n"))
		p.printf("%s", bytes.Join(lines[:min(n, len(lines))], nil))
	})
}

func runTail(p *process) int {
	letters, count, names := lineCount(p.args, "10")
	inBytes := letters['c'] != ""
	if inBytes {
		count = letters['c']
	}
	fromStart := strings.HasPrefix(count, "+")
	n, err := strconv.Atoi(strings.TrimPrefix(count, "+"))
	if err != nil || n < 0 {
		return p.fail("tail", 1, "invalid number '%s'", count)
	}
	read := 0
	code := p.inputs("tail", names, func(_ string, content []byte) {
		read = len(content)
		parts := bytes.SplitAfter(content, []byte("\n"))
		if len(parts) > 0 && len(parts[len(parts)-1]) == 0 {
			parts = parts[:len(parts)-1]
		}
		total := len(parts)
		if inBytes {
			total = len(content)
		}
		first := max(0, total-n)
		if fromStart {
			first = min(total, max(0, n-1))
		}
		if inBytes {
			p.write(p.out, string(content[first:]))
			return
		}
		p.write(p.out, string(bytes.Join(parts[first:], nil)))
	})
	for letters['f'] != "" && len(names) == 1 && pause(p.ctx, 200*time.Millisecond) {
		content, err := p.x.files.read(p.path(names[0]))
		if err != nil {
			return p.fail("tail", 1, "%s", said(names[0], err))
		}
		p.write(p.out, string(content[min(read, len(content)):]))
		read = len(content)
	}
	return code
}

func runCount(p *process) int {
	letters, names := flags(p.args, "")
	return p.inputs("wc", names, func(name string, content []byte) {
		var fields []string
		for _, count := range []struct {
			letter byte
			n      int
		}{{'l', bytes.Count(content, []byte("\n"))}, {'w', len(bytes.Fields(content))}, {'c', len(content)}} {
			if len(letters) == 0 || letters[count.letter] != "" {
				fields = append(fields, strconv.Itoa(count.n))
			}
		}
		if name != "-" {
			fields = append(fields, name)
		}
		p.printf("%s\n", strings.Join(fields, " "))
	})
}

func runGrep(p *process) int {
	letters, rest := flags(p.args, "e")
	pattern, given := letters['e']
	if !given {
		if len(rest) == 0 {
			return p.fail("grep", 2, "no pattern")
		}
		pattern, rest = rest[0], rest[1:]
	}
	if letters['F'] != "" {
		pattern = regexp.QuoteMeta(pattern)
	}
	if letters['i'] != "" {
		pattern = "(?i)" + pattern
	}
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return p.fail("grep", 2, "%v", err)
	}
	found := 0
	code := p.inputs("grep", rest, func(name string, content []byte) {
		count := 0
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSuffix(line, "\n")
			if expression.MatchString(line) == (letters['v'] != "") {
				continue
			}
			count++
			if letters['q'] == "" && letters['c'] == "" {
				if len(rest) > 1 {
					p.printf("%s:", name)
				}
				p.printf("%s\n", line)
			}
		}
		if letters['c'] != "" {
			p.printf("%d\n", count)
		}
		found += count
	})
	switch {
	case code != 0:
		return 2
	case found == 0:
		return 1
	}
	return 0
}

func runSort(p *process) int {
	letters, names := flags(p.args, "k")
	var lines []string
	code := p.inputs("sort", names, func(_ string, content []byte) {
		for line := range strings.Lines(string(content)) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	})
	slices.SortStableFunc(lines, func(a, b string) int {
		if letters['n'] != "" {
			x, _ := strconv.ParseFloat(strings.TrimSpace(a), 64) // no number counts as 0
			y, _ := strconv.ParseFloat(strings.TrimSpace(b), 64)
			if x != y {
				return map[bool]int{true: -1, false: 1}[x < y]
			}
		}
		return strings.Compare(a, b)
	})
	if letters['r'] != "" {
		slices.Reverse(lines)
	}
	if letters['u'] != "" {
		lines = slices.Compact(lines)
	}
	for _, line := range lines {
		p.printf("%s\n", line)
	}
	return code
}

func runUniq(p *process) int {
	letters, names := flags(p.args, "")
	last, count := "", 0
	flush := func() {
		if count > 0 && letters['c'] != "" {
			p.printf("%7d ", count)
		}
		if count > 0 {
			p.printf("%s\n", last)
		}
	}
	code := p.inputs("uniq", names, func(_ string, content []byte) {
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimSuffix(line, "\n"); count > 0 && line == last {
				count++
				continue
			}
			flush()
			last, count = line, 1
		}
	})
	flush()
	return code
}

func runCut(p *process) int {
	letters, names := flags(p.args, "dfc")
	by := letters['d']
	if by == "" {
		by = "\t"
	}
	field, err := strconv.Atoi(letters['f'])
	if err != nil || field < 1 {
		return p.fail("cut", 1, "-f with one number is known here")
	}
	return p.inputs("cut", names, func(_ string, content []byte) {
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSuffix(line, "\n")
			if fields := strings.Split(line, by); len(fields) == 1 {
				p.printf("%s\n", line)
			} else if field <= len(fields) {
				p.printf("%s\n", fields[field-1])
			} else {
				p.printf("\n")
			}
		}
	})
}

func runTr(p *process) int {
	letters, sets := flags(p.args, "")
	content, err := p.content("-")
	if err != nil || len(sets) == 0 {
		return p.fail("tr", 1, "missing operand")
	}
	from := characters(sets[0])
	to := []rune{}
	if len(sets) > 1 {
		to = characters(sets[1])
	}
	p.printf("%s", strings.Map(func(r rune) rune {
		i := slices.Index(from, r)
		switch {
		case i < 0:
			return r
		case letters['d'] != "" || len(to) == 0:
			return -1
		}
		return to[min(i, len(to)-1)]
	}, string(content)))
	return 0
}

// characters expands a-z and \n.
func characters(text string) []rune {
	runes := []rune(strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r").Replace(text))
	var out []rune
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '-' && runes[i+2]-runes[i] < 256 {
			for r := runes[i]; r <= runes[i+2]; r++ {
				out = append(out, r)
			}
			i += 2
			continue
		}
		out = append(out, runes[i])
	}
	return out
}

func sum(name string) func(*process) int {
	return func(p *process) int {
		return p.inputs(name, p.args, func(file string, content []byte) {
			digest := md5.Sum(content) //nolint:gosec // what was asked for
			text := hex.EncodeToString(digest[:])
			if name == "sha256sum" {
				digest := sha256.Sum256(content)
				text = hex.EncodeToString(digest[:])
			}
			p.printf("%s  %s\n", text, file)
		})
	}
}

func runBase64(p *process) int {
	letters, names := flags(p.args, "w")
	failed := false
	code := p.inputs("base64", names, func(_ string, content []byte) {
		if letters['d'] == "" {
			p.printf("%s\n", base64.StdEncoding.EncodeToString(content))
			return
		}
		plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(content)), ""))
		failed = failed || err != nil
		p.printf("%s", plain)
	})
	if failed {
		return p.fail("base64", 1, "invalid input")
	}
	return code
}

// each calls do for every operand and tells how it went.
func (p *process) each(command string, names []string, do func(string) error) int {
	if len(names) == 0 {
		return p.fail(command, 1, "missing operand")
	}
	code := 0
	for _, name := range names {
		if err := do(name); err != nil {
			code = p.fail(command, 1, "%s", said(name, err))
		}
	}
	return code
}

func runMkdir(p *process) int {
	letters, names := flags(p.args, "m")
	return p.each("mkdir", names, func(name string) error { return p.x.files.mkdir(p.path(name), letters['p'] != "") })
}

func runRemove(p *process) int {
	letters, names := flags(p.args, "")
	if len(names) == 0 && letters['f'] != "" {
		return 0
	}
	return p.each("rm", names, func(name string) error {
		info, err := p.x.files.stat(p.path(name), false)
		switch {
		case err != nil && letters['f'] != "":
			return nil
		case err != nil:
			return err
		case info.IsDir() && letters['r'] == "" && letters['R'] == "":
			return failed("rm", name, fmt.Errorf("is a directory"))
		}
		return p.x.files.remove(p.path(name), true)
	})
}

func runRmdir(p *process) int {
	return p.each("rmdir", p.args, func(name string) error {
		info, err := p.x.files.stat(p.path(name), false)
		if err == nil && !info.IsDir() {
			err = failed("rmdir", name, fmt.Errorf("not a directory"))
		}
		if err != nil {
			return err
		}
		return p.x.files.remove(p.path(name), false)
	})
}

func runTouch(p *process) int {
	_, names := flags(p.args, "")
	return p.each("touch", names, func(name string) error {
		if _, err := p.x.files.stat(p.path(name), true); err != nil {
			return p.x.files.write(p.path(name), nil, 0o644)
		}
		return p.x.files.change(p.path(name), nil, p.x.now())
	})
}

func runChmod(p *process) int {
	_, rest := flags(p.args, "")
	if len(rest) < 2 {
		return p.fail("chmod", 1, "missing operand")
	}
	octal, err := strconv.ParseUint(rest[0], 8, 12)
	return p.each("chmod", rest[1:], func(name string) error {
		info, missing := p.x.files.stat(p.path(name), true)
		if missing != nil {
			return missing
		}
		mode := fs.FileMode(octal).Perm() //nolint:gosec // twelve bits
		switch {
		case err == nil:
		case strings.HasSuffix(rest[0], "+x"):
			mode = info.mode | 0o111
		case strings.HasSuffix(rest[0], "-x"):
			mode = info.mode &^ 0o111
		default:
			return failed("chmod", name, fmt.Errorf("the mode %s is not known here", rest[0]))
		}
		return p.x.files.change(p.path(name), &mode, time.Time{})
	})
}

func runLink(p *process) int {
	letters, names := flags(p.args, "")
	if len(names) != 2 || letters['s'] == "" {
		return p.fail("ln", 1, "-s TARGET NAME is known here")
	}
	if letters['f'] != "" {
		_ = p.x.files.remove(p.path(names[1]), false) // none: nothing to replace
	}
	if err := p.x.files.link(names[0], p.path(names[1])); err != nil {
		return p.fail("ln", 1, "%s", said(names[1], err))
	}
	return 0
}

func runReadlink(p *process) int {
	_, names := flags(p.args, "")
	return p.each("readlink", names, func(name string) error {
		info, err := p.x.files.stat(p.path(name), false)
		if err == nil && info.target == "" {
			err = failed("readlink", name, fmt.Errorf("not a link"))
		}
		if err == nil {
			p.printf("%s\n", info.target)
		}
		return err
	})
}

// target is where cp and mv put a file: in the last operand when it is a directory.
func (p *process) target(names []string, name string) string {
	to := p.path(names[len(names)-1])
	if info, err := p.x.files.stat(to, true); err == nil && info.IsDir() {
		return path.Join(to, path.Base(name))
	}
	return to
}

func runMove(p *process) int {
	_, names := flags(p.args, "")
	if len(names) < 2 {
		return p.fail("mv", 1, "missing operand")
	}
	return p.each("mv", names[:len(names)-1], func(name string) error {
		return p.x.files.rename(p.path(name), p.target(names, name))
	})
}

func runCopy(p *process) int {
	letters, names := flags(p.args, "")
	if len(names) < 2 {
		return p.fail("cp", 1, "missing operand")
	}
	deep := letters['r'] != "" || letters['R'] != "" || letters['a'] != ""
	var copyTree func(from, to string, depth int) error
	copyTree = func(from, to string, depth int) error {
		info, err := p.x.files.stat(from, !deep)
		switch {
		case err != nil:
			return err
		case info.target != "":
			return p.x.files.link(info.target, to)
		case !info.IsDir():
			content, err := p.x.files.read(from)
			if err != nil {
				return err
			}
			return p.x.files.write(to, content, info.mode)
		case !deep || depth > maxLinks || to == from || strings.HasPrefix(to, strings.TrimSuffix(from, "/")+"/"):
			return failed("cp", from, fmt.Errorf("omitting directory"))
		}
		entries, err := p.x.files.list(from)
		if err != nil {
			return err
		}
		if err := p.x.files.mkdir(to, true); err != nil {
			return err
		}
		for _, entry := range entries {
			if err := copyTree(path.Join(from, entry.Name()), path.Join(to, entry.Name()), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return p.each("cp", names[:len(names)-1], func(name string) error { return copyTree(p.path(name), p.target(names, name), 0) })
}

// tree visits a path and everything below it, a directory before what is in it.
func (p *process) tree(name string, visit func(name string, info fileInfo) error) error {
	info, err := p.x.files.stat(p.path(name), false)
	if err != nil {
		return err
	}
	if err := visit(name, info); err != nil || !info.IsDir() {
		return err
	}
	entries, err := p.x.files.list(p.path(name))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if p.ctx.Err() != nil {
			return p.ctx.Err()
		}
		if err := p.tree(strings.TrimSuffix(name, "/")+"/"+entry.Name(), visit); err != nil {
			return err
		}
	}
	return nil
}

func runFind(p *process) int {
	start, kind, pattern := ".", "", ""
	args := p.args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		start, args = args[0], args[1:]
	}
	for ; len(args) > 1; args = args[2:] {
		switch args[0] {
		case "-type":
			kind = args[1]
		case "-name":
			pattern = args[1]
		default:
			return p.fail("find", 1, "%s is not known here", args[0])
		}
	}
	return p.each("find", []string{start}, func(name string) error {
		return p.tree(name, func(name string, info fileInfo) error {
			fits, err := path.Match(pattern, path.Base(name))
			if err != nil {
				return err
			}
			if (pattern == "" || fits) && (kind == "" || kind == "d" == info.IsDir()) {
				p.printf("%s\n", name)
			}
			return nil
		})
	})
}

func runDU(p *process) int {
	_, names := flags(p.args, "d")
	if len(names) == 0 {
		names = []string{"."}
	}
	return p.each("du", names, func(name string) error {
		kib := 0
		err := p.tree(name, func(_ string, info fileInfo) error {
			kib += int(info.Size()+1023) / 1024
			return nil
		})
		p.printf("%d\t%s\n", kib, name)
		return err
	})
}

func runDF(p *process) int {
	p.x.files.disk.mu.Lock()
	used := p.x.files.disk.bytes / 1024
	p.x.files.disk.mu.Unlock()
	p.printf("Filesystem           1K-blocks      Used Available Use%% Mounted on\nemulated %20d %9d %9d %3d%% /\n", maxDiskBytes/1024, used, maxDiskBytes/1024-used, used*100*1024/maxDiskBytes)
	return 0
}

func runStat(p *process) int {
	letters, names := flags(p.args, "c")
	return p.each("stat", names, func(name string) error {
		info, err := p.x.files.stat(p.path(name), false)
		if err != nil {
			return err
		}
		format := letters['c']
		if format == "" {
			format = "  File: %n\n  Size: %s\nAccess: (%a/%A)\nModify: %y"
		}
		p.printf("%s\n", strings.NewReplacer("%n", name, "%s", strconv.FormatInt(info.Size(), 10), "%a", fmt.Sprintf("%o", info.mode.Perm()), "%A", permissionText(info.mode),
			"%y", info.modified.Format("2006-01-02 15:04:05"), "%Y", strconv.FormatInt(info.modified.Unix(), 10), "%F", kindOf(info.mode)).Replace(format))
		return nil
	})
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeDevice != 0:
		return "character special file"
	}
	return "regular file"
}

func permissionText(mode fs.FileMode) string {
	first := "-"
	switch {
	case mode.IsDir():
		first = "d"
	case mode&fs.ModeSymlink != 0:
		first = "l"
	case mode&fs.ModeDevice != 0:
		first = "c"
	}
	return first + mode.Perm().String()[1:]
}

func runList(p *process) int {
	letters, names := flags(p.args, "")
	if len(names) == 0 {
		names = []string{"."}
	}
	show := func(name string, info fileInfo) {
		if letters['l'] == "" {
			p.printf("%s\n", name)
			return
		}
		if info.target != "" {
			name += " -> " + info.target
		}
		p.printf("%s 1 root root %8d %s %s\n", permissionText(info.mode), info.Size(), info.modified.Format("Jan _2 15:04"), name)
	}
	var list func(name string, titled bool) error
	list = func(name string, titled bool) error {
		info, err := p.x.files.stat(p.path(name), letters['d'] == "")
		if err != nil {
			return err
		}
		if !info.IsDir() || letters['d'] != "" {
			show(name, info)
			return nil
		}
		entries, err := p.x.files.list(p.path(name))
		if err != nil {
			return err
		}
		if titled {
			p.printf("%s:\n", name)
		}
		var below []string
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), ".") && letters['a'] == "" && letters['A'] == "" {
				continue
			}
			info, ok := entry.(fileInfo)
			if !ok {
				continue
			}
			show(entry.Name(), info)
			if entry.IsDir() {
				below = append(below, strings.TrimSuffix(name, "/")+"/"+entry.Name())
			}
		}
		for _, dir := range below {
			if letters['R'] == "" || p.ctx.Err() != nil {
				break
			}
			p.printf("\n")
			if err := list(dir, true); err != nil {
				return err
			}
		}
		return nil
	}
	return p.each("ls", names, func(name string) error { return list(name, len(names) > 1 || letters['R'] != "") })
}
