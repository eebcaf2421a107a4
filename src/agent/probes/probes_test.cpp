// Each kind over a scripted host: what counts as healthy, what does not, and what cannot be measured.
#include "agent/probes/probes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::fails;
using fakes::prints;
using fakes::times_out;
using patchrun::ProbeSpec;
using testing::HasSubstr;

constexpr Duration kTime{30'000};
constexpr const char* kSockets = "  sl  local_address rem_address   st\n";
constexpr const char* kHourAgo = "journalctl *--since=@1795431600 --priority=err";  // of the clock's first hour

std::string socket_line(const std::string& port_hex, const std::string& state = "0A") {
  return " 0: 00000000:" + port_hex + " 00000000:0000 " + state + " 0\n";
}

std::string journal(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += "{\"PRIORITY\":\"3\"}\n";
  return text;
}

// A quiet host that systemd runs, on which everything can be measured.
struct ProbeHost {
  fakes::MemoryFiles disk;
  fakes::ScriptedProcesses processes;
  fakes::ManualClock clock;

  ProbeHost() {
    disk.put("/run/systemd/system/run.service", "");
    disk.put("/proc/net/tcp", kSockets + socket_line("0016") + socket_line("0050") + socket_line("A43C", "01"));
    disk.put("/proc/net/tcp6", kSockets + socket_line("0050"));
    disk.put("/proc/self/mounts", "/dev/vda1 / ext4 rw 0 0\nserver:/x /net nfs4 rw 0 0\n");
    disk.put("/proc/loadavg", "1.00 1.00 1.00 1/100 7\n");
    disk.put("/proc/stat", "cpu 1\ncpu0 1\ncpu1 1\n");
    processes.on("systemctl list-units *", prints(""));
    processes.on("journalctl * --lines=1", prints(journal(1)));
    processes.on("journalctl * --since=*", prints(""));
    processes.on(kHourAgo, prints(journal(120)));
  }

  std::unique_ptr<HealthProbe> make(ProbeSpec spec) {
    spec.name = "it";
    auto probes = make_probes({spec}, {disk, processes, clock, io::real_reach()});
    EXPECT_TRUE(probes.ok()) << probes.error().chain();
    EXPECT_EQ(probes->at(0)->name(), "it");
    return std::move(probes->at(0));
  }
};

// "healthy: …", "ill: …" or "error: …".
std::string said(const Result<ProbeReading>& reading) {
  if (!reading.ok()) return "error: " + reading.error().chain();
  return (reading->healthy ? "healthy: " : "ill: ") + reading->detail;
}

ProbeSpec systemd(std::vector<std::string> units = {}) {
  ProbeSpec spec;
  spec.systemd = patchrun::SystemdProbe{std::move(units)};
  return spec;
}
ProbeSpec command(const std::string& line, Duration timeout = Duration(10'000)) {
  ProbeSpec spec;
  spec.command = patchrun::CommandProbe{line, timeout};
  return spec;
}
ProbeSpec journal_probe() {
  ProbeSpec spec;
  spec.journal = patchrun::JournalProbe{};
  return spec;
}
ProbeSpec ports(std::vector<std::uint32_t> ignore = {}) {
  ProbeSpec spec;
  spec.ports = patchrun::PortsProbe{std::move(ignore)};
  return spec;
}
ProbeSpec disk_probe(const std::string& mount = "/") {
  ProbeSpec spec;
  spec.disk = patchrun::DiskProbe{mount, 5};
  return spec;
}
ProbeSpec load() {
  ProbeSpec spec;
  spec.load = patchrun::LoadProbe{};
  return spec;
}

TEST(MakeProbes, RefusesWhatCheckProbesRefuses) {
  ProbeHost host;
  ProbeSpec unknown;
  unknown.name = "of-a-newer-server";
  auto first = disk_probe();
  first.name = "disk";
  const auto probes = make_probes({first, unknown}, {host.disk, host.processes, host.clock, io::real_reach()});
  ASSERT_FALSE(probes.ok());
  EXPECT_EQ(probes.error().code(), Code::invalid_argument);
  EXPECT_THAT(probes.error().message(), HasSubstr("probes[1]: 'of-a-newer-server' names no kind that is known"));
}

TEST(SystemdProbe, BlamesOnlyWhatWasNotFailedBefore) {
  ProbeHost host;
  const auto probe = host.make(systemd());
  host.processes.on("systemctl list-units *", prints("old.service loaded failed failed Old\n"));
  const auto before = probe->measure(kTime);
  EXPECT_EQ(said(before), "healthy: failed already: old.service");
  EXPECT_EQ(said(probe->measure(kTime, &*before)), "healthy: none newly failed");
  host.processes.on("systemctl list-units *",
                    prints("app.service loaded failed failed App\nold.service loaded failed failed Old\n"));
  // Another process reads it, with what was kept of the first reading.
  const auto after = host.make(systemd())->measure(kTime, &*before);
  EXPECT_EQ(said(after), "ill: newly failed: app.service");
  EXPECT_EQ(after->values.at(std::string(kUnitsAiling)), "app.service");
}

TEST(SystemdProbe, WhatCannotBeAskedIsNotHealthy) {
  struct Row {
    const char* what;
    fakes::Behaviour behaviour;
    const char* said;
  };
  const Row rows[] = {
      {"no program", fakes::is_missing(), "not installed"},
      {"no bus", fails(1, "Failed to connect to bus: Host is down"), "exit status 1: Failed to connect to bus"},
      {"hangs", times_out(), "not done in time"},
      {"killed", fakes::dies_of(9), "killed by signal 9"},
      {"in a chroot", prints("Running in chroot, ignoring command 'list-units'\n"), "cannot be read"},
  };
  for (const auto& row : rows) {
    ProbeHost host;
    const auto probe = host.make(systemd());
    const auto before = probe->measure(kTime);
    host.processes.on("systemctl *", row.behaviour);
    for (const auto* reference : {static_cast<const ProbeReading*>(nullptr), &*before}) {
      const auto text = said(probe->measure(kTime, reference));
      EXPECT_THAT(text, testing::StartsWith("error: ")) << row.what;
      EXPECT_THAT(text, HasSubstr(row.said)) << row.what;
    }
  }
  ProbeHost host;
  host.disk.remove_tree("/run/systemd/system").ok();
  for (auto spec : {systemd(), systemd({"a.service"}), journal_probe()})
    EXPECT_THAT(said(host.make(spec)->measure(kTime)), HasSubstr("error: systemd does not run this host"));
  EXPECT_TRUE(host.processes.calls().empty());
}

TEST(SystemdProbe, WithoutAReadingFromBeforeNothingIsHealthy) {
  ProbeHost host;
  const ProbeReading nothing;
  for (auto spec : {systemd(), journal_probe(), ports()})
    EXPECT_THAT(said(host.make(spec)->measure(kTime, &nothing)), HasSubstr("error: there is no reading from before"));
}

TEST(SystemdProbe, RefusesToKeepMoreThanFits) {
  ProbeHost host;
  std::string text;
  for (int i = 0; i < 1'000; ++i)
    text += "a-rather-long-name-" + std::to_string(i) + ".service loaded failed failed x\n";
  host.processes.on("systemctl list-units *", prints(text));
  EXPECT_THAT(said(host.make(systemd())->measure(kTime)), HasSubstr("error: 1000 units are failed"));
}

TEST(SystemdProbe, NamedUnitsMustBeActive) {
  ProbeHost host;
  const auto probe = host.make(systemd({"mysql", "app.service"}));
  const auto answers = [&](const std::string& state, const std::string& sub) {
    host.processes.on("systemctl show * -- mysql app.service",
                      prints("Id=mariadb.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\n"
                             "Id=app.service\nLoadState=loaded\nActiveState=" +
                             state + "\nSubState=" + sub + "\n"));
    return probe->measure(kTime);
  };
  EXPECT_EQ(said(answers("active", "running")), "healthy: 2 active");
  EXPECT_EQ(said(answers("reloading", "reload")), "healthy: 2 active");
  EXPECT_EQ(said(answers("activating", "auto-restart")), "ill: app.service is activating (auto-restart)");
  const auto failed = answers("failed", "failed");
  EXPECT_EQ(said(failed), "ill: app.service is failed");
  EXPECT_EQ(failed->values.at(std::string(kUnitsAiling)), "app.service");
  host.processes.on("systemctl show * -- mysql app.service",
                    prints("Id=mariadb.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\n\n"
                           "Id=app.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"));
  const auto alias = probe->measure(kTime);
  EXPECT_EQ(said(alias), "ill: mysql is inactive (dead)");
  EXPECT_EQ(alias->values.at(std::string(kUnitsAiling)), "mysql.service");
  host.processes.on("systemctl show *", prints("Id=app.service\nLoadState=loaded\nActiveState=active\nSubState=x\n"));
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("error: systemctl speaks of 1 units, asked about 2"));
}

TEST(CommandProbe, IsHealthyWhereItExitsWithZero) {
  ProbeHost host;
  const auto probe = host.make(command("/usr/local/bin/check --lag"));
  host.processes.on("/bin/sh -c */check --lag", prints("lag 3 s\n"));
  EXPECT_EQ(said(probe->measure(kTime)), "healthy: exit status 0: lag 3 s");
  EXPECT_EQ(host.processes.calls().back().timeout, Duration(10'000));
  EXPECT_EQ(host.processes.calls().back().environment, io::plain_environment());
  host.processes.on("/bin/sh *", fails(3, "lag \x1b[31m 900 s"));
  EXPECT_EQ(said(probe->measure(kTime)), "ill: exit status 3: lag \\x1b[31m 900 s");
  host.processes.on("/bin/sh *", fakes::dies_of(11));
  EXPECT_EQ(said(probe->measure(kTime)), "ill: killed by signal 11");
  host.processes.on("/bin/sh *", times_out());
  EXPECT_EQ(said(probe->measure(kTime)), "ill: not done in time");
  EXPECT_THAT(said(probe->measure(Duration(5'000))), HasSubstr("error: the command was given 5 s of its 10 s"));
  host.processes.on("/bin/sh *", fakes::is_missing());
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("error: "));
}

TEST(CommandProbe, IsKilledWithAllItStartedAndItsOutputIsBounded) {
  fakes::MemoryFiles disk;
  fakes::ManualClock clock;
  const ProbeSeams seams{disk, io::real_processes(), clock, io::real_reach()};
  const auto measure = [&](ProbeSpec spec) {
    spec.name = "it";
    return make_probes({spec}, seams).value()[0]->measure(kTime);
  };
  EXPECT_EQ(said(measure(command("sleep 1000", Duration(200)))), "ill: not done in time");
  const auto left_behind = measure(command("sleep 1000 & echo child $!"));
  ASSERT_THAT(said(left_behind), testing::StartsWith("healthy: exit status 0: child "));
  // Gone, or dead and not yet reaped by whoever adopted it.
  const auto child = left_behind->detail.substr(left_behind->detail.rfind(' ') + 1);
  const auto stat = io::real_files().read("/proc/" + child + "/stat", 4'096);
  EXPECT_TRUE(!stat.ok() || stat->find(") Z ") != std::string::npos) << *stat;
  const auto bounded = measure(command("yes | head -c 1000000; echo; echo last words >&2"));
  ASSERT_TRUE(bounded.ok());
  EXPECT_TRUE(bounded->healthy);
  EXPECT_LE(bounded->detail.size(), 1'000u);
  EXPECT_THAT(bounded->detail, HasSubstr("bytes cut here"));
}

TEST(JournalProbe, ComparesTheLastMinuteWithTheHourBefore) {
  ProbeHost host;
  const auto probe = host.make(journal_probe());
  const auto before = probe->measure(kTime);  // 2 a minute: 6 are allowed
  ASSERT_EQ(said(before), "healthy: 120 in the hour before");
  host.clock.advance(Duration(600'000));
  host.processes.on("journalctl * --since=@1795435800 --priority=err", prints(""));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("healthy: 0 in the last 0 ms"));
  host.clock.advance(Duration(30'000));
  host.processes.on("journalctl * --since=@1795435800 --priority=err", prints(journal(6)));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("healthy: 6 in the last 30 s, 6 a minute are allowed"));
  host.processes.on("journalctl * --since=@1795435800 --priority=err", prints(journal(7)));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("ill: 7 in the last 30 s, 6 a minute are allowed"));
  host.clock.advance(Duration(50'000));  // the window moves on
  host.processes.on("journalctl * --since=@1795435820 --priority=err", prints(journal(1)));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("healthy: 1 in the last 1 min"));
}

TEST(JournalProbe, CountsNothingFromBeforeItsWatchWhateverTheClockDoes) {
  ProbeHost host;
  const auto probe = host.make(journal_probe());
  const auto before = probe->measure(kTime);
  host.clock.advance(Duration(10'000));
  ASSERT_TRUE(probe->measure(kTime, &*before).ok());
  host.clock.advance(Duration(40'000));
  probe->begin_watch();  // after a way back
  host.clock.advance(Duration(5'400));
  host.clock.set_wall(from_unix_ms(1'700'000'000'400));  // the clock was set back by years
  host.processes.on("journalctl * --since=@1699999995 --priority=err", prints(journal(9)));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("ill: 9 in the last 5 s"));
}

TEST(JournalProbe, FewAreFreeAndNoneIsASignOfABrokenJournal) {
  ProbeHost host;
  const auto probe = host.make(journal_probe());
  host.processes.on(kHourAgo, prints(""));
  const auto before = probe->measure(kTime);
  ASSERT_EQ(said(before), "healthy: 0 in the hour before");
  host.processes.on("journalctl * --since=*", prints(journal(5)));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("healthy: 5"));
  host.processes.on("journalctl * --since=*", prints(journal(6)));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("ill: 6"));
  host.processes.on("journalctl * --since=*", fails(1, "Bad message"));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("error: journalctl: exit status 1: Bad message"));
  host.processes.on("journalctl * --lines=1", prints(""));
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("error: the journal is empty"));
  ProbeReading spoilt{true, "", {{"messages", "many"}}};
  host.processes.on("journalctl * --lines=1", prints(journal(1)));
  EXPECT_THAT(said(probe->measure(kTime, &spoilt)), HasSubstr("error: a count cannot be read"));
}

TEST(PortsProbe, MissesThoseThatVanished) {
  ProbeHost host;
  const auto probe = host.make(ports({123}));
  const auto before = probe->measure(kTime);
  ASSERT_EQ(said(before), "healthy: listening: 22,80");
  EXPECT_EQ(said(probe->measure(kTime, &*before)), "healthy: all still listening: 22,80");
  host.disk.put("/proc/net/tcp", kSockets + socket_line("0016") + socket_line("1F90"));
  EXPECT_EQ(said(probe->measure(kTime, &*before)), "healthy: all still listening: 22,80") << "80 by IPv6, 8080 is new";
  host.disk.remove("/proc/net/tcp6").ok();
  EXPECT_EQ(said(probe->measure(kTime, &*before)), "ill: no longer listening: 80");
  EXPECT_EQ(said(host.make(ports({80}))->measure(kTime)), "healthy: listening: 22,8080");
  host.disk.fail_reads_of("/proc/net/tcp6", Error(Code::permission_denied, "no"));
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("error: "));
  host.disk.put("/proc/net/tcp", "");
  EXPECT_THAT(said(probe->measure(kTime, &*before)), HasSubstr("error: the kernel's table of sockets"));
}

TEST(DiskProbe, WantsRoom) {
  ProbeHost host;
  const auto probe = host.make(disk_probe());
  host.disk.set_space({100ull << 30, 5ull << 30, 1});
  EXPECT_EQ(said(probe->measure(kTime)), "healthy: 5 % of / free (5.0 GiB of 100.0 GiB), at least 5 % wanted");
  host.disk.set_space({100ull << 30, (5ull << 30) - 1, 1});
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("ill: 4 % of / free"));
  host.disk.set_space({0, 0, 0});
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("error: / lies on ext4, which has no size"));
  EXPECT_THAT(said(host.make(disk_probe("/net/a"))->measure(kTime)), HasSubstr("error: /net/a lies on nfs4"));
  host.disk.remove("/proc/self/mounts").ok();
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("error: "));
}

TEST(LoadProbe, IsPerCpu) {
  ProbeHost host;
  const auto probe = host.make(load());
  EXPECT_EQ(said(probe->measure(kTime)), "healthy: 50 % of 2 CPUs in the last minute, at most 400 % wanted");
  host.disk.put("/proc/loadavg", "8.01 1.00 1.00 1/100 7\n");
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("healthy: 400 %"));
  host.disk.put("/proc/loadavg", "8.02 1.00 1.00 1/100 7\n");
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("ill: 401 %"));
  host.disk.put("/proc/stat", "intr 1\n");
  EXPECT_THAT(said(probe->measure(kTime)), HasSubstr("error: the kernel's list of CPUs"));
}

TEST(Probes, KeepLittleOfWhatTheySaw) {
  ProbeHost host;
  for (auto spec : {systemd(), journal_probe(), ports(), disk_probe(), load()}) {
    const auto reading = host.make(spec)->measure(kTime);
    ASSERT_TRUE(reading.ok()) << reading.error().chain();
    std::size_t bytes = 0;
    for (const auto& [key, value] : reading->values) bytes += key.size() + value.size();
    EXPECT_LE(bytes, kProbeValuesBytesMax);
  }
}

}  // namespace
}  // namespace belay::agent
