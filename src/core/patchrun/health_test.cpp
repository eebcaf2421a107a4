#include "core/patchrun/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace belay::patchrun {
namespace {

using testing::HasSubstr;

// A good probe of each kind.
std::vector<ProbeSpec> one_of_each() {
  std::vector<ProbeSpec> probes(8);
  for (std::size_t i = 0; i < probes.size(); ++i) probes[i].name = "p" + std::to_string(i);
  probes[0].systemd = SystemdProbe{{"nginx.service", "getty@tty1.service", "srv-data\\x2dbig.mount"}};
  probes[1].tcp = TcpProbe{"[::1]:5432"};
  probes[2].http = HttpProbe{"https://127.0.0.1/health?deep=1", 200, Duration(2'000), "ok"};
  probes[3].command = CommandProbe{"/usr/local/bin/check"};
  probes[4].journal = JournalProbe{};
  probes[5].ports = PortsProbe{{1, 65'535}};
  probes[6].disk = DiskProbe{};
  probes[7].load = LoadProbe{};
  return probes;
}

TEST(CheckProbes, TakesOneOfEachAndNone) {
  EXPECT_TRUE(check_probes(one_of_each()).ok()) << check_probes(one_of_each()).error().chain();
  EXPECT_TRUE(check_probes({}).ok());
}

struct Row {
  const char* what;
  std::function<void(std::vector<ProbeSpec>&)> spoil;
  const char* error;  // begins so
};

TEST(CheckProbes, NamesTheFieldThatIsWrong) {
  const Row rows[] = {
      {"no name", [](auto& p) { p[1].name = ""; }, "probes[1].name: "},
      {"blank name", [](auto& p) { p[1].name = "  "; }, "probes[1].name: "},
      {"name of two lines", [](auto& p) { p[1].name = "a\nb"; }, "probes[1].name: "},
      {"long name", [](auto& p) { p[1].name = std::string(65, 'a'); }, "probes[1].name: "},
      {"name twice", [](auto& p) { p[3].name = "p1"; }, "probes[3].name: 'p1' stands twice"},
      {"no kind", [](auto& p) { p[7].load.reset(); }, "probes[7]: 'p7' names no kind that is known"},
      {"two kinds", [](auto& p) { p[7].disk = DiskProbe{}; }, "probes[7]: 'p7' names 2 kinds"},
      {"unit glob", [](auto& p) { p[0].systemd->units = {"nginx*"}; }, "probes[0].systemd.units: "},
      {"unit option", [](auto& p) { p[0].systemd->units = {"--host=x"}; }, "probes[0].systemd.units: "},
      {"unit empty", [](auto& p) { p[0].systemd->units = {""}; }, "probes[0].systemd.units: "},
      {"unit twice", [](auto& p) { p[0].systemd->units = {"a", "a"}; }, "probes[0].systemd.units: "},
      {"units", [](auto& p) { p[0].systemd->units.assign(101, "a"); }, "probes[0].systemd.units: at most 100"},
      {"no port", [](auto& p) { p[1].tcp->address = "db"; }, "probes[1].tcp.address: "},
      {"bare v6", [](auto& p) { p[1].tcp->address = "::1:80"; }, "probes[1].tcp.address: "},
      {"no time", [](auto& p) { p[1].tcp->within = Duration(0); }, "probes[1].tcp.within: "},
      {"long time", [](auto& p) { p[1].tcp->within = Duration(600'001); }, "probes[1].tcp.within: "},
      {"url", [](auto& p) { p[2].http->url = "127.0.0.1/"; }, "probes[2].http.url: "},
      {"url's scheme", [](auto& p) { p[2].http->url = "ws://a/"; }, "probes[2].http.url: "},
      {"url's user", [](auto& p) { p[2].http->url = "http://u:secret@a/"; }, "probes[2].http.url: "},
      {"status", [](auto& p) { p[2].http->status = 99; }, "probes[2].http.status: "},
      {"interim status", [](auto& p) { p[2].http->status = 100; }, "probes[2].http.status: "},
      {"http time", [](auto& p) { p[2].http->within = Duration(-1); }, "probes[2].http.within: "},
      {"contains", [](auto& p) { p[2].http->contains.assign(1'025, 'x'); }, "probes[2].http.contains: "},
      {"contains bytes", [](auto& p) { p[2].http->contains = "\xff"; }, "probes[2].http.contains: "},
      {"command", [](auto& p) { p[3].command->command = " \n"; }, "probes[3].command.command: "},
      {"command nul", [](auto& p) { p[3].command->command = std::string("a\0b", 3); }, "probes[3].command.command: "},
      {"command time", [](auto& p) { p[3].command->timeout = Duration(600'001); }, "probes[3].command.timeout: "},
      {"priority", [](auto& p) { p[4].journal->priority = "error"; }, "probes[4].journal.priority: "},
      {"priority range", [](auto& p) { p[4].journal->priority = "0..3"; }, "probes[4].journal.priority: "},
      {"times", [](auto& p) { p[4].journal->times = 0; }, "probes[4].journal.times: "},
      {"free", [](auto& p) { p[4].journal->free = 100'001; }, "probes[4].journal.free: "},
      {"port 0", [](auto& p) { p[5].ports->ignore = {0}; }, "probes[5].ports.ignore: "},
      {"port", [](auto& p) { p[5].ports->ignore = {65'536}; }, "probes[5].ports.ignore: "},
      {"ports", [](auto& p) { p[5].ports->ignore.assign(1'001, 1); }, "probes[5].ports.ignore: "},
      {"mount", [](auto& p) { p[6].disk->mount = "var"; }, "probes[6].disk.mount: "},
      {"mount's bytes", [](auto& p) { p[6].disk->mount = "/a\nb"; }, "probes[6].disk.mount: "},
      {"percent", [](auto& p) { p[6].disk->free_percent_min = 100; }, "probes[6].disk.free_percent_min: "},
      {"load", [](auto& p) { p[7].load->percent_max = 0; }, "probes[7].load.percent_max: "},
      {"many", [](auto& p) { p.assign(51, p[7]); }, "probes: at most 50"},
  };
  for (const auto& row : rows) {
    auto probes = one_of_each();
    row.spoil(probes);
    const auto checked = check_probes(probes);
    ASSERT_FALSE(checked.ok()) << row.what;
    EXPECT_EQ(checked.error().code(), Code::invalid_argument) << row.what;
    EXPECT_THAT(checked.error().message(), testing::StartsWith(row.error)) << row.what;
    EXPECT_THAT(checked.error().message(), testing::Not(HasSubstr("secret"))) << row.what;
  }
}

}  // namespace
}  // namespace belay::patchrun
