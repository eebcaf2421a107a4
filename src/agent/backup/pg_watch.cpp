#include "agent/backup/pg_watch.hpp"

#include <charconv>

#include "base/text.hpp"

namespace belay::agent::backups {

backup::WatchReport begin_watch(const BackupHost& host, const backup::Watch& watch) {
  backup::WatchReport report;
  report.plan_id = watch.plan_id;
  report.at = host.clock.now();
  return report;
}

WatchedHost::WatchedHost(const BackupHost& host, const backup::Watch& watch) : host_(host) {
  host_.work_directory = "/";
  host_.progress = {};
  job_.plan_id = watch.plan_id;
  job_.plan_name = watch.plan_name;
  job_.source = watch.source;
  job_.vault = watch.vault;
}

void look_at_space(const BackupHost& host, const backup::Job& job, backup::WatchReport& report) {
  const auto& vault = job.vault;
  if ((vault.kind != backup::VaultKind::local && vault.kind != backup::VaultKind::mount) || vault.path.empty()) return;
  Call what;
  what.argv = {"stat", "--file-system", "--format=%S %a %b", "--", vault.path};
  what.timeout = Duration(10'000);
  const auto text = must(host, job, std::move(what));
  if (!text.ok()) {
    report.findings.push_back({"vault-away", text.error().chain()});
    return;
  }
  std::uint64_t figures[3] = {};
  std::size_t count = 0;
  for (const auto word : split(trim(*text), ' ')) {
    if (count == 3) break;
    std::from_chars(word.data(), word.data() + word.size(), figures[count++]);
  }
  const auto free = figures[0] * figures[1], total = figures[0] * figures[2];
  report.vault_bytes_free = free;
  if (free < total / 20 || free < (1u << 30))
    report.findings.push_back({"vault-full", vault.path + " has " + std::to_string(free >> 20) + " MiB free of " +
                                                 std::to_string(total >> 20) +
                                                 " MiB; a full vault stops the archiver, and then the server's disk "
                                                 "fills with WAL"});
}

}  // namespace belay::agent::backups
