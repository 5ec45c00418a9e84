"""languages.py - interpreters: their own regression tests, or a script that works the heap hard."""
import re
import xml.etree.ElementTree

from harness import Problem, program

TESTSUITE = {"/usr/bin/python3": "python3", "/usr/lib/python3*/test/test_json": "libpython3.11-testsuite"}


def python_tests(run, modules, leave_out=(), only=()):
    """Runs modules of Python's own regression tests and notes the result of each single test."""
    result = run.path("result.xml")
    filters = [word for name in leave_out for word in ("-i", name)] + [word for name in only for word in ("-m", name)]
    run.run(["/usr/bin/python3", "-m", "test", "--junit-xml", result] + filters + modules, note=False)
    lines = []
    for case in xml.etree.ElementTree.parse(result).iter("testcase"):
        outcome = [child.tag for child in case if child.tag in ("skipped", "failure", "error")]
        lines.append("%s %s %s" % (case.get("name"), case.get("result"), " ".join(outcome)))
    if len(lines) < 10:
        raise Problem("only %d of Python's tests were run" % len(lines))
    run.note("results of Python's tests", "\n".join(sorted(lines)))


@program(TESTSUITE, counted=False, limit=90, same_processes=False)
def python_core(run):
    """Python's tests of its own objects, garbage collector and parsers"""
    python_tests(run, """test_json test_gc test_list test_dict test_set test_tuple test_bytes test_unicode test_array test_re
        test_struct test_pickle test_itertools test_deque test_heapq test_functools test_weakref test_memoryview test_generators
        test_xml_etree_c test_decimal test_zlib test_bz2 test_hashlib test_marshal test_exceptions
        test_class test_sort test_userdict test_ordered_dict test_long test_float test_format test_csv test_unicodedata
        test_memoryio test_stringprep test_collections""".split(),
                 leave_out=["*recursion_limit*", "*4G*", "*framing_many*", "*doesnt_blowup*", "*tee_del_backward*"])


@program(TESTSUITE, counted=False, limit=90, same_processes=False)
def python_threads(run):
    """Python's tests of threads, queues, memory maps and foreign functions"""
    python_tests(run, """test_threading test_thread test_queue test_threading_local test_threadsignals test_ctypes test_mmap
        test_faulthandler test_atexit test_lzma""".split(), leave_out=["*timeout*", "*traceback_later*", "*bigmem*", "*ThreadSignals*"])


@program(TESTSUITE, counted=False, limit=90, same_processes=False)
def python_processes(run):
    """Python's tests of fork, subprocesses and multiprocessing by fork"""
    python_tests(run, ["test_multiprocessing_fork", "test_subprocess", "test_fork1", "test_wait3", "test_popen", "test_pty"],
                 leave_out=["*TestWait*", "*TestResourceTracker*", "*TestFinalize*", "*Barrier*", "*TestPoll*", "*Condition*",
                            "*WithManager*", "*TestTimeouts*", "*TestListenerClient*", "*WithThreads*", "*timeout*",
                            "*sigint*", "*ForkWait.test_wait", "*_dead", "*no_failfast*", "*Restart*"])


@program({"/usr/bin/python3": "python3"})
def python_heap(run):
    """Python without its own small-object allocator, so that each object comes from malloc"""
    run.run(["/usr/bin/python3", "-X", "dev", run.work("objects.py")], env={"PYTHONMALLOC": "malloc"})


@program({"perl": "perl"})
def perl(run):
    """Perl: hashes, regular expressions, sorting, fork, pipes, packed data"""
    run.run(["perl", run.work("workload.pl")])
    run.tree(leave_out=r"workload\.pl")


@program({"node": "nodejs"}, counted=False, limit=60)
def node(run):
    """Node: worker threads, buffers, streams, zlib and crypto on the thread pool, a child process"""
    run.run(["node", run.work("workload.js")])
    run.tree(leave_out=r"workload\.js")


@program({"lua5.4": "lua5.4"})
def lua(run):
    """Lua: tables, strings, closures, coroutines, both collectors"""
    run.run(["lua5.4", run.work("workload.lua")])


@program({"bash": "bash"})
def bash(run):
    """Bash, which brings its own malloc in some builds: arrays, substitutions, pipes, subshells, traps"""
    run.run(["bash", run.work("workload.sh")])
    run.tree(leave_out=r"workload\.sh")
