"""The guide's pages about backups are true: the server takes the files they show, and the command line has each command with its options."""
import pathlib
import re
import shlex

from tests.api.backup_case import BackupCase

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guide"
PAGES = ("backups.md", "restore.md", "runbooks-disaster.md")
ALL = re.compile(r"`(belay [^`]+)`")


def blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", (GUIDE / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page):
    """Each as words, up to where what follows is for the reader."""
    text = (GUIDE / page).read_text(encoding="utf-8")
    found = [line for block in blocks(page, "") for line in block.splitlines()] + ALL.findall(text)
    for line in found:
        for part in re.split(r"\s{2,}|; ", line):
            part = re.split(r" [>#] ", part.replace("[", "").replace("]", ""))[0].strip().rstrip(",.:")
            if part.startswith("belay ") and "|" not in part:
                yield shlex.split(part.replace("…", "X"))[1:]


class Guide(BackupCase):
    def test_the_files_are_taken(self):
        made = blocks("backups.md", "yaml")
        self.assertEqual([re.match("name: (.*)", text)[1] for text in made], ["pg-prod", "s3-offsite"])
        self.ask("CreateVault", {"Content": made[1], "Secrets": {"accessKey": "A", "secretKey": "B"}})
        self.vault("main-nas")
        self.assertIn("made the plan pg-prod", self.belay("backup", "plan", "apply", "-f", self.file("pg-prod.yaml", made[0])).stdout)
        protect = blocks("rollouts.md", "yaml")[1]
        self.assertTrue(protect.startswith("protect:"), protect)
        self.new_node("web-1")
        self.ask("CreateRollout", {"Content": f"name: guided\n{protect}rings: [{{name: all, targets: [\"*\"]}}]\n"})

    def test_the_commands_are_there(self):
        helps, tried = {}, 0

        def help_of(path):
            if path not in helps:
                done = self.server.belay(*path, "--help")
                helps[path] = done.stdout if done.returncode == 0 and f"Usage: belay {' '.join(path)}" in done.stdout else None
            return helps[path]
        for page in PAGES:
            for words in commands(page):
                with self.subTest(page=page, command=" ".join(words)):
                    path = ()
                    while len(path) < len(words) and re.fullmatch("[a-z-]+", words[len(path)]) and not words[len(path)].startswith("-") \
                            and len(path) < 3 and help_of((*path, words[len(path)])):
                        path = (*path, words[len(path)])
                    self.assertTrue(path, "there is no such command")
                    for word in words:
                        if word.startswith("-") and word != "-":
                            self.assertRegex(help_of(path), rf"(^|[\s,]){re.escape(word)}\b")
                    if len(path) < len(words):
                        self.assertNotIn("SUBCOMMAND", help_of(path).split("\n")[1], f"'{words[len(path)]}' is no command")
                    tried += 1
        self.assertGreater(tried, 40)
