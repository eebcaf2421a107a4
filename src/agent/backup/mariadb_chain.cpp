#include "agent/backup/mariadb_chain.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

constexpr std::size_t kSetFileBytesMax = 64u << 10;

std::string state_path(const BackupHost& host, const backup::Job& job) {
  return host.state_directory + "/" + job.plan_id + "/mariadb-chain";
}

std::string full_wanted_path(const BackupHost& host, const backup::Job& job) {
  return host.state_directory + "/" + job.plan_id + "/mariadb-full-wanted";
}

// A file of several lines as one line.
std::string as_line(std::string text) {
  std::ranges::replace(text, '\n', ';');
  return text;
}
std::string as_lines(std::string text) {
  std::ranges::replace(text, ';', '\n');
  return text;
}

std::string text_of(const char* which, const Base& base) {
  const std::string name(which);
  return name + " = " + base.label + "\n" + name + "_needs = " + join(base.needs, "+") + "\n" + name +
         "_checkpoints = " + as_line(base.checkpoints) + "\n";
}

Base read_base(std::string_view text, const std::string& which) {
  return {value_of(text, which), split_labels(value_of(text, which + "_needs")),
          as_lines(value_of(text, which + "_checkpoints"))};
}

bool is_whole(const Base& base, const std::vector<Stored>& all) {
  return !base.label.empty() && read_checkpoints(base.checkpoints).ok() && find_point(all, base.label) &&
         std::ranges::all_of(base.needs, [&](const auto& label) { return find_point(all, label) != nullptr; });
}

Result<Base> base_from_repository(const BackupHost& host, Repository& repository, const Stored& stored) {
  Base base{tag_of(stored, "point"), split_labels(tag_of(stored, "needs")), {}};
  const auto place = host.work_directory + "/base-" + base.label;
  BELAY_TRY(host.files.make_directories(place, 0700));
  for (const char* prefix : {"xtrabackup_", "mariadb_backup_"})
    static_cast<void>(repository.restore(stored.snapshot_id, place,
                                         {"/" + std::string(kSetDirectory) + "/" + prefix + "checkpoints"}));
  BELAY_TRY_ASSIGN(base.checkpoints, read_set_file(host, place + "/" + kSetDirectory, "checkpoints"));
  return base;
}

// The newest whole point of this data directory; only full ones where so wanted.
const Stored* newest_point(const std::vector<Stored>& all, const std::string& identity, bool only_full) {
  const Stored* newest = nullptr;
  for (const auto& stored : all) {
    if (!is_point(stored, backup::EngineName::mariadb_backup) || tag_of(stored, "identity") != identity) continue;
    const auto needs = split_labels(tag_of(stored, "needs"));
    if (only_full && !needs.empty()) continue;
    if (!std::ranges::all_of(needs, [&](const auto& label) { return find_point(all, label) != nullptr; })) continue;
    if (!newest || tag_of(stored, "point") > tag_of(*newest, "point")) newest = &stored;
  }
  return newest;
}

}  // namespace

ChainState read_chain_state(std::string_view text) {
  return {value_of(text, "identity"), read_base(text, "full"), read_base(text, "last")};
}

std::string text_of(const ChainState& state) {
  return "identity = " + state.identity + "\n" + text_of("full", state.full) + text_of("last", state.last);
}

Result<std::string> read_set_file(const BackupHost& host, const std::string& set, std::string_view what) {
  const auto older = host.files.read(set + "/xtrabackup_" + std::string(what), kSetFileBytesMax);
  if (older.ok() || older.error().code() != Code::not_found) return older;
  return host.files.read(set + "/mariadb_backup_" + std::string(what), kSetFileBytesMax);
}

Result<Basis> choose_basis(const BackupHost& host, const backup::Job& job, const Making& making) {
  Basis basis;
  if (job.type == backup::BackupType::full) return basis;
  const bool from_full = job.type == backup::BackupType::differential;
  const auto& identity = making.source.identity;
  if (identity.empty()) {
    basis.remark = "made full: the data directory cannot be seen, so nothing can be built upon";
    return basis;
  }
  if (host.files.info(full_wanted_path(host, job)).ok()) {
    basis.remark = "made full: a drill found damage in what it would be built on";
    return basis;
  }
  const auto text = host.files.read(state_path(host, job), kSetFileBytesMax);
  const auto state = text.ok() ? read_chain_state(*text) : ChainState();
  basis.base = from_full ? state.full : state.last;
  if (state.identity != identity || !is_whole(basis.base, making.all)) {
    const auto* stored = newest_point(making.all, identity, from_full);
    basis.base = {};
    if (stored) {
      auto found = base_from_repository(host, **making.repository, *stored);
      if (found.ok()) basis.base = std::move(*found);
    }
  }
  if (is_whole(basis.base, making.all)) {
    basis.type = job.type;
    return basis;
  }
  basis.base = {};
  basis.remark = state.identity.empty() || state.identity == identity
                     ? "made full: there is no whole backup to build on"
                     : "made full: this is another data directory than that of the backups before";
  return basis;
}

Status remember_base(const BackupHost& host, const backup::Job& job, const std::string& identity,
                     backup::BackupType type, const Base& base) {
  const auto text = host.files.read(state_path(host, job), kSetFileBytesMax);
  auto state = text.ok() ? read_chain_state(*text) : ChainState();
  if (state.identity != identity) state = {};
  state.identity = identity;
  state.last = base;
  if (type == backup::BackupType::full) state.full = base;
  BELAY_TRY(host.files.make_directories(host.state_directory + "/" + job.plan_id, 0700));
  BELAY_TRY(host.files.write_durable(state_path(host, job), text_of(state), 0600));
  return type == backup::BackupType::full ? host.files.remove(full_wanted_path(host, job)) : Status();
}

Status want_full(const BackupHost& host, const backup::Job& job) {
  BELAY_TRY(host.files.make_directories(host.state_directory + "/" + job.plan_id, 0700));
  return host.files.write_durable(full_wanted_path(host, job), "", 0600);
}

Result<std::vector<const Stored*>> members_of(const std::vector<Stored>& all, const std::string& label) {
  const auto* point = find_point(all, label);
  if (!point) return Error(Code::not_found, "point " + label + " is not in the repository", "no-point");
  std::vector<const Stored*> members;
  for (const auto& need : split_labels(tag_of(*point, "needs"))) {
    const auto* member = find_point(all, need);
    if (!member)
      return Error(Code::corrupt, "point " + label + " cannot be restored: " + need + ", which it needs, is gone",
                   "chain-broken");
    members.push_back(member);
  }
  members.push_back(point);
  return members;
}

void check_members(const std::vector<const Stored*>& members, backup::JobReport& report) {
  std::string chain, expected = "0";
  for (const auto* member : members) {
    const auto from = tag_of(*member, "from"), to = tag_of(*member, "lsn");
    chain += (chain.empty() ? "" : ", ") + tag_of(*member, "point") + " " + from + ".." + to;
    if (from != expected || to.empty())
      return fail(report, backup::ProofLevel::P1, "chain", chain + " begins not where the one before ended");
    expected = to;
  }
  pass(report, backup::ProofLevel::P1, "chain", chain);
}

std::uint64_t bytes_to_restore(const std::vector<const Stored*>& members) {
  std::uint64_t whole = 0, increments = 0;
  for (const auto* member : members) {
    whole = std::max(whole, to_number(tag_of(*member, "bytes")).value_or(0));
    if (member != members.front()) increments += to_number(tag_of(*member, "set")).value_or(0);
  }
  return 2 * whole + increments + kSlackBytes;
}

namespace {

Status prepare(const BackupHost& host, const backup::Job& job, const std::string& tool, const std::string& parent,
               const std::string& base, const std::string& increment) {
  Call what;
  what.argv = {tool, "--no-defaults", "--prepare", "--use-memory=128M", "--target-dir=" + base};
  if (!increment.empty()) {
    what.argv.push_back("--incremental-dir=" + increment);
    BELAY_TRY_ASSIGN(const auto before, read_set_file(host, base, "checkpoints"));
    BELAY_TRY_ASSIGN(const auto next, read_set_file(host, increment, "checkpoints"));
    BELAY_TRY_ASSIGN(const auto base_reaches, read_checkpoints(before));
    BELAY_TRY_ASSIGN(const auto next_reaches, read_checkpoints(next));
    BELAY_TRY(check_follows(base_reaches, next_reaches));
  }
  what.user = server_user(job);
  what.isolated = true;
  what.kept = {parent};
  what.timeout = job.limits.timeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));
  return judge_backup_tool(outcome, increment.empty() ? "preparing the backup" : "applying an increment");
}

// A table that was made with DATA DIRECTORY is in the set as all others are, and beside it an .isl that names where it
// lay. Whoever reads that one opens the file of the live server, or, where both are, neither of them. Once it is gone,
// the table is where the set has it.
Status bring_inside(const BackupHost& host, const std::string& set, std::vector<std::string>& inside) {
  constexpr std::string_view kEnding = ".isl";
  BELAY_TRY_ASSIGN(const auto databases, host.files.list(set));
  for (const auto& database : databases) {
    const auto names = host.files.list(set + "/" + database);
    if (!names.ok()) continue;  // a file
    for (const auto& name : *names) {
      if (!name.ends_with(kEnding)) continue;
      BELAY_TRY(host.files.remove(set + "/" + database + "/" + name));
      auto table = database + "/" + name.substr(0, name.size() - kEnding.size());
      if (std::ranges::find(inside, table) == inside.end()) inside.push_back(std::move(table));
    }
  }
  return {};
}

// What mariadb-backup left beside the server's files.
Status remove_leavings(const BackupHost& host, const std::string& directory) {
  BELAY_TRY_ASSIGN(const auto names, host.files.list(directory));
  for (const auto& name : names)
    if (name.starts_with("xtrabackup_") || name.starts_with("mariadb_backup_"))
      BELAY_TRY(host.files.remove(directory + "/" + name));
  return {};
}

}  // namespace

Result<Prepared> fetch_and_prepare(const BackupHost& host, const backup::Job& job, Repository& repository,
                                   const std::vector<const Stored*>& members, const std::string& parent,
                                   Stopwatch& watch) {
  BELAY_TRY_ASSIGN(const auto tool, program_for(host, job, {"mariadb-backup"}, tag_of(*members.back(), "server")));
  BELAY_TRY_ASSIGN(const auto owner, system_user(host, server_user(job)));
  watch.begin("fetch");
  std::vector<std::string> sets;
  std::string place;
  for (std::size_t i = 0; i < members.size(); ++i) {
    place = parent + "/" + std::to_string(i);
    BELAY_TRY(host.files.make_directories(place, 0755));
    BELAY_TRY_ASSIGN(const auto got, repository.restore(members[i]->snapshot_id, place));
    static_cast<void>(got);
    sets.push_back(place + "/" + kSetDirectory);
  }
  Prepared prepared;
  prepared.directory = sets.front();
  BELAY_TRY_ASSIGN(prepared.about, host.files.read(place + "/" + kAboutFile, kSetFileBytesMax));
  if (const auto info = read_set_file(host, sets.back(), "binlog_info"); info.ok())
    prepared.at = read_binlog_info(*info);
  for (const auto& set : sets) BELAY_TRY(bring_inside(host, set, prepared.inside));
  BELAY_TRY(give_to(host, owner, parent, true));
  watch.begin("prepare");
  BELAY_TRY(prepare(host, job, tool.name, parent, sets.front(), {}));
  for (std::size_t i = 1; i < sets.size(); ++i) {
    BELAY_TRY(prepare(host, job, tool.name, parent, sets.front(), sets[i]));
    BELAY_TRY(host.files.remove_tree(parent + "/" + std::to_string(i)));
  }
  BELAY_TRY(remove_leavings(host, prepared.directory));
  watch.end();
  return prepared;
}

}  // namespace belay::agent::backups::mariadb
