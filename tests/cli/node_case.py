"""A server of the class's own and a node that is a script, with one update that the baseline wants."""
import json
import unittest

from tests.support.binaries import Server, wait_until
from tests.support.scripted_node import ScriptedNode, offer, package


class NodeCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.__exit__)
        made = json.loads(cls.server.belay("activation", "create", "-o", "json", "--name", "web", "--tag", "Environment=dev").stdout)
        cls.node = ScriptedNode(cls.server, "web")
        cls.addClassCleanup(cls.node.__exit__)
        cls.node.enroll(made["ActivationId"], made["ActivationCode"])
        cls.node.installed, cls.node.offers = [package("openssl", "3.0.1")], [offer("openssl", "3.0.2")]
        cls.node.hello()
        cls.node.scan()
        if not wait_until(lambda: "openssl" in cls.server.belay("compliance", "web").stdout):
            raise AssertionError(cls.server.belay("compliance", "web").stdout)
