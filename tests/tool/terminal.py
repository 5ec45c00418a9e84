"""On a terminal: keys that make signals, job control, colour, width."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import unicodedata
from shlex import quote

from common import COMMAND, SUBJECT, Test, environment, main

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words, rows=24, columns=80, **changes):
        self.text = ""
        changes.setdefault("TERM", "xterm")
        changes.setdefault("LC_ALL", "C.UTF-8")
        changes.setdefault("NO_COLOR", None)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                resize(0, rows, columns)  # here, so that the program never sees it happen
                os.execvpe(words[0], words, environment(**changes))
            finally:
                os._exit(99)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read_more(self, until):
        ready, _, _ = select.select([self.fd], [], [], max(0, until - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def expect(self, pattern, seconds=120):
        """Reads until the pattern comes; what came before it is taken away."""
        until = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            if not self.read_more(until):
                raise AssertionError("%r did not come; there is %r" % (pattern, self.text))

    def type_until(self, keys, pattern, seconds=120):
        """Types the keys again and again until the pattern comes."""
        until = time.monotonic() + seconds
        while True:
            self.type(keys)
            try:
                return self.expect(pattern, 0.5)
            except AssertionError:
                if time.monotonic() >= until:
                    raise

    def finish(self, seconds=120):
        """Everything up to the end, and the wait status."""
        until = time.monotonic() + seconds
        while self.read_more(until):
            pass
        if time.monotonic() >= until:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return self.text, status


def shell():
    """An interactive shell with job control; it says "ready$" when it waits for a command."""
    terminal = Terminal("bash", "--norc", "--noprofile", "-i", PS1="ready$ ", HISTFILE="/dev/null", TERM="dumb")
    terminal.expect(r"ready\$ ")
    return terminal


class Keys(Test):
    def test_each_interrupt_comes_once(self):
        for key, number in (("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)):
            terminal = Terminal(COMMAND, "run", SUBJECT, "answers_signals", str(int(number)))
            terminal.expect("ready\n")
            for _ in range(10):  # a single second one might come before the first is handled, and be lost in it
                terminal.type(key)
                terminal.expect("one more\n")
            time.sleep(0.3)  # for those that should not come
            terminal.type("\n")
            terminal.expect(r"signals: 10\n")
            text, status = terminal.finish()
            self.assertIn("exit 7", text)
            self.assertEqual(os.waitstatus_to_exitcode(status), 7)

    def test_interrupt_that_kills_still_gives_a_report(self):
        terminal = Terminal(COMMAND, "run", SUBJECT, "waits", "100")
        terminal.expect("ready\n")
        terminal.type("\x03")
        text, status = terminal.finish()
        self.assertIn("killed by SIGINT", text)
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGINT)

    def test_window_size(self):
        terminal = Terminal(COMMAND, "run", SUBJECT, "counts_signals", str(int(signal.SIGWINCH)))
        terminal.expect("ready\n")
        resize(terminal.fd, 30, 90)
        terminal.expect(r"signals: 1\n")
        terminal.finish()


class Jobs(Test):
    def test_stop_and_go_on(self):
        terminal = shell()
        terminal.type("%s run %s waits_until_continued; echo status $?\n" % (quote(COMMAND), quote(SUBJECT)))
        terminal.expect("\nready\n")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.expect(r"ready\$ ")
        terminal.type("fg\n")
        terminal.expect("exit 0")
        terminal.expect(r"ready\$ ")
        terminal.type("exit\n")
        terminal.finish()

    def test_program_that_stops_itself(self):
        """As editors do: they put the terminal in order, then stop. (A handler must not print while a print goes on.)"""
        script = ("import os, signal, time\n"
                  "say = lambda text: os.write(1, (text + chr(10)).encode())\n"
                  "gone_on = []\n"
                  "def stop(*_):\n say('in order')\n os.kill(os.getpid(), signal.SIGSTOP)\n"
                  " say('back')\n gone_on.append(1)\n"
                  "signal.signal(signal.SIGTSTP, stop)\nsay('set' + ' up')\n"
                  "for i in range(1000):\n if gone_on: break\n time.sleep(0.1)\n")
        terminal = shell()
        terminal.type("%s run /usr/bin/python3 -c \"%s\"\n" % (quote(COMMAND), script.replace("\n", "\x16\n")))
        terminal.expect("set up")
        terminal.type("\x1a")
        terminal.expect("in order")
        terminal.expect("Stopped")
        terminal.type("fg\n")
        terminal.expect("\nback")
        terminal.expect("exit 0")
        terminal.type("exit\n")
        terminal.finish()

    def test_background_job_that_reads(self):
        terminal = shell()
        terminal.type("%s run cat &\n" % quote(COMMAND))
        terminal.expect(r"\[1\]")
        terminal.type_until("\n", "Stopped")
        terminal.type("fg\n")
        terminal.expect("run cat\n")
        time.sleep(0.5)
        terminal.type("some words\n")
        terminal.expect("some words\nsome words\n")
        terminal.type("\x04")
        terminal.expect("exit 0")
        terminal.type("exit\n")
        terminal.finish()

    def test_killed_job(self):
        terminal = shell()
        terminal.type("%s run %s waits 100 &\n" % (quote(COMMAND), quote(SUBJECT)))
        terminal.expect("ready\n")
        terminal.type("kill %1; wait; echo done\n")
        terminal.expect("killed by SIGTERM")
        terminal.expect("\ndone")
        terminal.type("exit\n")
        terminal.finish()

    def test_pipeline(self):
        terminal = shell()
        terminal.type("%s run seq 100000 | tail -1\n" % quote(COMMAND))
        terminal.expect("\n100000\n|exit 0")
        terminal.expect("\n100000\n|exit 0")
        terminal.type("exit\n")
        terminal.finish()


def report_on_terminal(*words, columns=80, **changes):
    terminal = Terminal(COMMAND, "run", *words, columns=columns, **changes)
    text, _ = terminal.finish()
    return text[text.index("freehold  "):]


class Looks(Test):
    MANY = ("sh", "-c", "ls / >/dev/null; head -c 100 /dev/zero | sort >/dev/null; exec env true")

    def test_colour(self):
        self.assertIn("\x1b[", report_on_terminal("true"))
        self.assertNotIn("\x1b[", report_on_terminal("true", NO_COLOR="1"))
        self.assertIn("\x1b[", report_on_terminal("true", NO_COLOR=""))
        self.assertNotIn("\x1b[", report_on_terminal("true", TERM="dumb"))

    def test_every_style_ends(self):
        text = report_on_terminal(*self.MANY)
        for line in text.splitlines():
            styles = ESCAPE.findall(line)
            if styles:
                self.assertEqual(styles[-1], "\x1b[0m", line)

    def test_lines_fit(self):
        for columns in (40, 45, 52, 60, 66, 72, 80, 100, 200):
            for options in ([], ["--fast"]):
                text = ESCAPE.sub("", report_on_terminal(*options, *self.MANY, columns=columns))
                for line in text.splitlines():
                    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
                    self.assertLessEqual(wide, min(columns, 100), "%d %s" % (columns, text))

    def test_numbers_stand_in_columns(self):
        text = ESCAPE.sub("", report_on_terminal(SUBJECT, "counts", columns=90))
        lines = text[text.index("  size class"):].splitlines()[:6]
        self.assertEqual(len({len(line.rstrip()) for line in lines}), 1, text)

    def test_ascii_where_utf8_is_not(self):
        text = report_on_terminal(SUBJECT, "counts", LC_ALL="C")
        self.assertTrue(text.isascii(), text)
        self.assertIn("#", text)


if not os.path.exists("/dev/ptmx"):
    sys.exit(77)
main()
