// What each engine can do. Measured and read on Debian 12: restic 0.14, borg 1.2.4, pgBackRest 2.45, mariadb-backup
// 10.11, PostgreSQL 15.
//
// Vaults. Whatever makes files (dumps, copies of databases, snapshots' content, a command's output) is stored by
// restic, and reaches what restic reaches. pgBackRest 2.45 knows directories and S3 over TLS; SFTP came with 2.46. borg
// over ssh needs borg on the other side, which no vault promises, so it is given directories alone. A tape cannot be
// written at random: it only takes copies (check_plan_with_vaults). Copies. restic copies snapshots from repository to
// repository; a pgBackRest repository is copied as files where it is a directory, into anything that restic reaches;
// borg 1.2 has no transfer (borg 2 has), and two copies of one borg repository with one id disagree about their caches.
// Proof. P4 is a service that starts in isolation. Files have none: see level_problem() of plan_prove.cpp.
#include <algorithm>

#include "core/backup/plan.hpp"

namespace belay::backup {
namespace {

std::vector<EngineRules> table() {
  using enum VaultKind;
  const std::vector<VaultKind> kRestic{local, mount, sftp, s3, rest, removable, tape};
  const std::vector<VaultKind> kResticSources{local, mount, sftp, s3, rest, removable};
  const std::vector<VaultKind> kDirectories{local, mount, removable};
  // engine, differential, incremental, point in time, database, single files, most, vaults, copies from
  using enum EngineName;
  constexpr auto P5 = ProofLevel::P5;
  return {
      {pgbackrest, true, true, true, true, false, P5, {local, mount, s3, removable}, kDirectories},
      {pg_dump, false, false, false, true, false, P5, kRestic, kResticSources},
      {mariadb_backup, true, true, true, true, false, P5, kRestic, kResticSources},
      {mysqldump, false, false, true, true, false, P5, kRestic, kResticSources},
      {restic, false, false, false, false, true, P5, kRestic, kResticSources},
      {borg, false, false, false, false, true, P5, kDirectories, {}},
      {sqlite, false, false, false, true, true, P5, kRestic, kResticSources},
      {snapshot, false, false, false, false, true, P5, kRestic, kResticSources},
      {command, false, false, false, false, false, P5, kRestic, kResticSources},
  };
}

}  // namespace

const EngineRules& engine_rules(EngineName engine) {
  static const std::vector<EngineRules> rules = table();
  const auto found = std::ranges::find(rules, engine, &EngineRules::engine);
  BELAY_ASSERT(found != rules.end());
  return *found;
}

}  // namespace belay::backup
