"""`python3 -m lab`: hosts for a person to work with."""

from __future__ import annotations

import argparse
import os
import sys

from lab import hosts, roots
from lab.system import LabError


def _up(options: argparse.Namespace) -> int:
    lab = hosts.Lab(options.lab).open()
    for host in lab.boot([f"{options.root[:8]}{index + 1}" for index in range(options.count)], options.root):
        print(f"{host.name}  {host.address}  {host.root_name}  running")
    lab.keep()
    print(f"enter one: python3 -m lab shell {options.lab} HOST    end: python3 -m lab down {options.lab}")
    return 0


def _down(options: argparse.Namespace) -> int:
    for name in [options.lab] if options.lab else hosts.names():
        hosts.Lab(name).close()
        print(f"{name}: down")
    return 0


def _list(_: argparse.Namespace) -> int:
    for name in hosts.names():
        for host in hosts.Lab.attach(name).hosts.values():
            print(f"{name}  {host.name}  {host.address}  {host.root_name}  {'on' if host.leader() else 'off'}")
    return 0


def _find(options: argparse.Namespace) -> hosts.Host:
    lab = hosts.Lab.attach(options.lab)
    if options.host not in lab.hosts:
        raise LabError(f"lab {options.lab} has no host {options.host}: it has {', '.join(lab.hosts)}")
    return lab.hosts[options.host]


def _shell(options: argparse.Namespace) -> int:
    words = _find(options).inside(["bash", "--login"])
    os.execvpe(words[0], words, {**os.environ, "HOME": "/root"})


def _exec(options: argparse.Namespace) -> int:
    words = _find(options).inside(options.command)
    os.execvp(words[0], words)


def _roots(options: argparse.Namespace) -> int:
    for name, path in roots.ensure(options.names or list(roots.RECIPES)).items():
        print(f"{name}  {path.stat().st_size >> 20} MiB  {path}")
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m lab", description="Real Linux hosts on this machine, in a second.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="boot hosts and leave them running")
    up.add_argument("lab", nargs="?", default="play")
    up.add_argument("--count", type=int, default=2)
    up.add_argument("--root", default="bookworm", choices=[name for name, recipe in roots.RECIPES.items() if recipe.bootable])
    up.set_defaults(act=_up)
    down = commands.add_parser("down", help="take a lab down; without a name, every lab of this checkout")
    down.add_argument("lab", nargs="?")
    down.set_defaults(act=_down)
    commands.add_parser("list", help="labs and hosts that are up").set_defaults(act=_list)
    for name, act, text in (("shell", _shell, "a shell on a host"), ("exec", _exec, "one command on a host")):
        command = commands.add_parser(name, help=text)
        command.add_argument("lab")
        command.add_argument("host")
        if name == "exec":
            command.add_argument("command", nargs=argparse.REMAINDER)
        command.set_defaults(act=act)
    make = commands.add_parser("roots", help="make the cached root file systems")
    make.add_argument("names", nargs="*", choices=[[], *roots.RECIPES])
    make.set_defaults(act=_roots)
    return parser.parse_args(arguments)


def main() -> int:
    options = _parse(sys.argv[1:])
    try:
        return options.act(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
