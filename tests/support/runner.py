"""Runs a folder's unittest files and says each test by name: ok, SKIP with its reason, or FAIL; then the sums."""
import pathlib
import sys
import time
import unittest


class NamingResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = 0

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()

    def _say(self, word, test, more=""):
        print(f"{word} {test.id()} ({time.monotonic() - self._began:.1f} s){': ' + more if more else ''}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self._say("ok  ", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"SKIP {test.id()}: {reason}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._tell("FAIL", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._tell("FAIL", test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            problems = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._tell("FAIL", subtest, problems[-1][1])

    def _tell(self, word, test, trace):
        print(f"{word} {test.id()}\n{trace}", flush=True)


def run(folder, patterns=()):
    """The exit status: 0, 1 where one failed, 77 where every test was skipped."""
    root = pathlib.Path(folder).resolve()
    sys.path.insert(0, str(root.parents[1]))
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{p}*" for p in patterns] or None
    suite = loader.discover(str(root), pattern="test_*.py", top_level_dir=str(root.parents[1]))
    result = NamingResult()
    suite.run(result)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    if failed:
        return 1
    return 0 if result.passed else 77
