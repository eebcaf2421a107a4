#include "agent/backup/repository.hpp"

#include <algorithm>

#include "agent/backup/file_trees.hpp"
#include "agent/backup/restic_text.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr Duration kOpenTimeout{120'000};  // restic itself would try for a quarter of an hour
constexpr Duration kListTimeout{600'000};
constexpr std::size_t kIdsInOneCall = 100;

std::string host_name_of(const backup::Job& job) {
  return job.source_node_id.empty() ? job.node_id : job.source_node_id;
}

std::string said_by(const io::ProcessOutcome& outcome) {
  return outcome.standard_error + "\n" + outcome.standard_output;
}

// A path as a pattern of restic's that matches itself alone.
std::string as_pattern(const std::string& path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// restic takes a dead process for a living one while nobody has reaped it, and another that got its number as well. No
// other job of ours works on the repository meanwhile (do_job's lock).
bool is_dead_here(const BackupHost& host, const ResticLock& lock) {
  const auto name = host.files.read("/proc/sys/kernel/hostname", 1'000);
  if (!name.ok() || trim(*name) != lock.host) return false;
  const auto stat = host.files.read("/proc/" + std::to_string(lock.process) + "/stat", 4'096);
  if (!stat.ok()) return true;
  const auto end = stat->rfind(") ");
  const bool gone = end != std::string::npos && (stat->substr(end + 2, 1) == "Z" || stat->substr(end + 2, 1) == "X");
  return gone || stat->find("(restic)") == std::string::npos;
}

Error locked(const ResticLock& lock, const std::string& vault, Instant now) {
  return Error(Code::conflict,
               "the repository in the vault " + vault + " is locked by process " + std::to_string(lock.process) +
                   " of " + lock.user + " on " + lock.host + " since " + to_iso8601(lock.since) + " (" +
                   humanize(std::max(Duration(0), now - lock.since)) +
                   "); wait for its end. Where that process is gone, `restic unlock` there removes it; by itself it "
                   "ends after half an hour",
               "repository-locked");
}

}  // namespace

Repository::Repository(const BackupHost& host, const backup::Job& job, const VaultAccess& access, std::string key,
                       bool own_cache)
    : host_(host), job_(job), access_(access), key_(std::move(key)), own_cache_(own_cache) {}

Result<Call> Repository::call_of(std::vector<std::string> arguments) {
  if (!key_file_) {
    if (key_.empty())
      return Error(Code::unauthenticated, "the vault " + access_.vault().name + " has no repository key; hand it one",
                   "wrong-key");
    BELAY_TRY_ASSIGN(auto file, SecretFile::make(host_, "restic-key", key_));
    key_file_.emplace(std::move(file));
  }
  Call what;
  what.argv = {"restic", "--repository-file", access_.repository_file(), "--password-file", key_file_->path()};
  append(what.argv, access_.restic_options());
  what.environment = access_.environment();
  if (own_cache_) what.environment["RESTIC_CACHE_DIR"] = host_.state_directory + "/cache/restic";
  else what.argv.emplace_back("--no-cache");
  what.environment["TMPDIR"] = host_.work_directory;
  what.environment["GOMAXPROCS"] = std::to_string(std::max(1U, job_.limits.processes));
  what.gently = true;
  append(what.argv, arguments);
  return what;
}

Result<std::string> Repository::expect(const std::string& what, Call prepared) {
  using End = io::ProcessOutcome::End;
  BELAY_TRY_ASSIGN(auto outcome, call(host_, job_, std::move(prepared)));
  if (outcome.success()) return std::move(outcome.standard_output);
  if (outcome.end == End::cancelled) return Error(Code::cancelled, what + ": stopped, as somebody asked for");
  auto error = restic_error(what, said_by(outcome));
  if (outcome.end == End::timed_out && error.reason().empty())
    return Error(Code::timed_out, what + ": " + how_it_ended(outcome), "vault-away");
  if (outcome.end == End::signalled) return Error(Code::internal, what + ": " + how_it_ended(outcome));
  return error;
}

Result<std::string> Repository::restic(const std::string& what, std::vector<std::string> arguments, Duration timeout) {
  BELAY_TRY_ASSIGN(auto prepared, call_of(std::move(arguments)));
  prepared.timeout = timeout;
  return expect(what, std::move(prepared));
}

Result<std::string> Repository::version() {
  Call what;
  what.argv = {"restic", "version"};
  BELAY_TRY_ASSIGN(const auto text, must(host_, job_, std::move(what)));
  const auto words = split(text, ' ');
  return words.size() < 2 ? sanitize(trim(text), 100)
                          : sanitize(std::string(words[0]) + " " + std::string(words[1]), 100);
}

// ---- opening

Status Repository::make(Repository* like) {
  std::vector<std::string> arguments{"init"};
  BELAY_TRY_ASSIGN(auto prepared, call_of({}));
  if (like && access_.goes_with(like->access_)) {
    BELAY_TRY_ASSIGN(const auto other, like->call_of({}));
    append(prepared.argv, like->access_.restic_options());
    for (const auto& [name, value] : other.environment) prepared.environment.emplace(name, value);
    append(arguments, {"--copy-chunker-params", "--from-repository-file", like->access_.repository_file(),
                       "--from-password-file", like->key_file_->path()});
  }
  append(prepared.argv, arguments);
  prepared.timeout = kOpenTimeout;
  const auto made = expect("the repository cannot be made in the vault " + access_.vault().name, std::move(prepared));
  return made.ok() ? Status() : Status(made.error());
}

// restic may lose what ssh said when it ended.
Error Repository::why_no_ssh(const Error& error) {
  Call what;
  what.argv = {"ssh", "-F", access_.ssh_config(), "vault", "-s", "sftp"};
  what.timeout = kOpenTimeout;
  const auto outcome = call(host_, job_, std::move(what));
  if (!outcome.ok()) return outcome.error();
  if (outcome->success()) return error;
  auto told = restic_error("the vault " + access_.vault().name + " cannot be reached", said_by(*outcome));
  return told.reason().empty() ? Error(Code::unavailable, told.message(), "vault-away") : told;
}

Status Repository::open(bool make_it, Repository* like) {
  const auto what = "the repository in the vault " + access_.vault().name + " cannot be opened";
  auto opened = restic(what, {"cat", "config", "--no-lock"}, kOpenTimeout);
  const bool none = !opened.ok() && opened.error().reason() == "no-repository";
  if (none && must_be_there(job_, access_.vault())) return repository_gone(access_.vault());
  if (none && make_it) {
    BELAY_TRY(make(like));
    opened = restic(what, {"cat", "config", "--no-lock"}, kOpenTimeout);
  }
  if (!opened.ok() && opened.error().reason().empty() && !access_.ssh_config().empty())
    return why_no_ssh(opened.error());
  if (!opened.ok()) return opened.error();
  return drop_dead_locks(false);
}

Result<std::vector<std::string>> Repository::lock_ids() {
  if (!access_.directory().empty()) {
    const auto names = host_.files.list(access_.directory() + "/locks");
    if (names.ok() && names->empty()) return std::vector<std::string>();  // spares a start of restic
  }
  BELAY_TRY_ASSIGN(const auto text,
                   restic("the repository's locks cannot be read", {"list", "locks", "--no-lock"}, kOpenTimeout));
  std::vector<std::string> ids;
  for (const auto line : split(text, '\n'))
    if (!trim(line).empty()) ids.emplace_back(trim(line));
  return ids;
}

// `unlock` takes away what a process of this machine left that is no more, and what nobody refreshed for half an hour.
// It says that it did so in any case, so we look ourselves.
Status Repository::drop_dead_locks(bool exclusive) {
  BELAY_TRY_ASSIGN(auto ids, lock_ids());
  if (ids.empty()) return {};
  const auto unlocked = restic("dead locks cannot be removed", {"unlock"}, kOpenTimeout);
  if (!unlocked.ok()) return unlocked.error();
  BELAY_TRY_ASSIGN(ids, lock_ids());
  bool dead = false, shared = false;
  for (const auto& id : ids) {
    const auto text = restic("a lock cannot be read", {"cat", "lock", id, "--no-lock"}, kOpenTimeout);
    if (!text.ok()) continue;  // gone meanwhile
    BELAY_TRY_ASSIGN(const auto lock, parse_lock(*text));
    if (is_dead_here(host_, lock)) dead = true;
    else if (lock.exclusive || exclusive) return locked(lock, access_.vault().name, host_.clock.now());
    else shared = true;  // somebody works on it beside us, and may
  }
  if (!dead || shared) return {};
  return restic("dead locks cannot be removed", {"unlock", "--remove-all"}, kOpenTimeout).ok()
             ? Status()
             : Error(Code::conflict, "a dead lock cannot be removed; run `restic unlock --remove-all`",
                     "repository-locked");
}

// ---- storing

Result<Stored> Repository::store(const StoreWhat& what) {
  for (const auto& path : what.must_exist) {
    const auto whole = path.starts_with('/') ? path : what.relative_to + "/" + path;
    if (!host_.files.info(whole).ok())
      return Error(Code::not_found,
                   whole +
                       " is not there, and the plan backs it up; is its file system mounted? Mount it, or take it "
                       "out of the plan",
                   "source-missing");
  }
  const bool damaged = host_.files.info(note_of_damage()).ok();
  if (damaged) BELAY_TRY(mend());
  auto stored = store_once(what, damaged);
  // What the packs held that were put aside is stored anew now.
  if (stored.ok() && damaged) BELAY_TRY(host_.files.remove(note_of_damage()));
  return stored;
}

Result<Stored> Repository::store_once(const StoreWhat& what, bool anew) {
  std::string paths;
  for (const auto& path : what.paths) paths += path + '\0';
  BELAY_TRY_ASSIGN(const auto list, SecretFile::make(host_, "paths", paths));
  BELAY_TRY_ASSIGN(const auto excludes, SecretFile::make(host_, "excludes", join(what.excludes, "\n") + "\n"));
  std::vector<std::string> arguments{"backup", "--json", "--host", host_name_of(job_), "--files-from-raw", list.path()};
  if (!what.excludes.empty()) append(arguments, {"--exclude-file", excludes.path()});
  for (const auto& tag : what.tags) append(arguments, {"--tag", tag});
  if (what.one_file_system) arguments.emplace_back("--one-file-system");
  if (anew) arguments.emplace_back("--force");
  BELAY_TRY_ASSIGN(auto prepared, call_of(std::move(arguments)));
  prepared.directory = what.relative_to;
  prepared.timeout = job_.limits.timeout;
  ResticBackup seen;
  const auto each = [&](std::string_view line) { read_backup_line(line, seen, host_.progress); };
  Lines lines[2] = {Lines(each), Lines(each)};
  prepared.sink = [&](int stream, std::string_view text) { lines[stream - 1].add(text); };
  BELAY_TRY_ASSIGN(const auto outcome, call(host_, job_, std::move(prepared)));
  for (auto& stream : lines) stream.end();
  if (outcome.end == io::ProcessOutcome::End::cancelled) return Error(Code::cancelled, "the backup was stopped");
  const bool whole = outcome.success();
  const bool partly = outcome.end == io::ProcessOutcome::End::exited && outcome.exit_status == 3;
  if (!whole && !partly)
    return restic_error("restic backup (" + how_it_ended(outcome).substr(0, 30) + ")", join(seen.said, "\n"));
  if (!seen.summary)
    return Error(Code::internal, "restic ended and said nothing of a snapshot: " + join(seen.said, " "),
                 "not-understood");
  auto stored = found(seen, what);
  if (stored.ok()) stored->partial = partly || !stored->unreadable.empty();
  return stored;
}

// The snapshot as the repository has it, whatever was said of it.
Result<Stored> Repository::found(const ResticBackup& seen, const StoreWhat& what) {
  BELAY_TRY_ASSIGN(const auto list, snapshots().within("the new snapshot cannot be read back"));
  const auto& id = seen.summary->snapshot_id;
  const auto place =
      std::ranges::find_if(list, [&](const auto& one) { return !id.empty() && one.snapshot_id.starts_with(id); });
  if (place == list.end())
    return Error(Code::corrupt,
                 "restic said it made the snapshot " + sanitize(seen.summary->snapshot_id, 100) +
                     ", and the repository has none of that name",
                 "not-understood");
  auto stored = *place;
  if (place != list.begin()) stored.previous_at = std::prev(place)->taken_at;
  stored.bytes_source = seen.summary->bytes_source;
  stored.bytes_added = seen.summary->bytes_added;
  stored.files = seen.summary->files;
  stored.unreadable = seen.unreadable;
  for (const auto& path : seen.skipped) stored.unreadable.push_back(path + " (is not there)");
  // restic notes down only what it found.
  if (stored.paths.size() < what.paths.size() && stored.unreadable.empty())
    stored.unreadable.push_back(std::to_string(what.paths.size() - stored.paths.size()) + " of the paths (not there)");
  return stored;
}

// ---- damage

std::string Repository::note_of_damage() const {
  auto name = backup::repository_name(job_.plan_id, host_name_of(job_)) + "@" + access_.vault().name;
  std::ranges::replace(name, '/', '-');
  return host_.state_directory + "/damaged/" + name;
}

Status Repository::check(bool read_data) {
  BELAY_TRY(drop_dead_locks(true));
  std::vector<std::string> arguments{"check"};
  if (read_data) arguments.emplace_back("--read-data");
  BELAY_TRY_ASSIGN(auto prepared, call_of(std::move(arguments)));
  prepared.timeout = job_.limits.timeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host_, job_, std::move(prepared)));
  const auto said = said_by(outcome);
  if (outcome.success() && said.find("no errors were found") != std::string::npos)
    return read_data ? host_.files.remove(note_of_damage()) : Status();
  if (outcome.success())
    return Error(Code::internal, "restic check ended and did not say that it found no errors: " + sanitize(said, 500),
                 "not-understood");
  if (outcome.end == io::ProcessOutcome::End::timed_out || outcome.end == io::ProcessOutcome::End::cancelled)
    return error_of(outcome, "restic check: ");
  auto error = restic_error("restic check (" + how_it_ended(outcome).substr(0, 30) + ")", said);
  const auto packs = damaged_packs(said);
  if (error.reason() != "repository-damaged" || packs.empty()) return error;
  BELAY_TRY(host_.files.make_directories(host_.state_directory + "/damaged", 0700));
  BELAY_TRY(host_.files.write_durable(note_of_damage(), join(packs, "\n") + "\n", 0600));
  return error;
}

// restic would go on and let new snapshots point at damaged packs. Nothing is deleted: they lie in "damaged"
// afterwards.
Status Repository::mend() {
  BELAY_TRY_ASSIGN(const auto note, host_.files.read(note_of_damage(), 1 << 20));
  std::vector<std::string> files;
  for (const auto line : split(note, '\n'))
    if (line.size() > 2) files.push_back("data/" + std::string(line.substr(0, 2)) + "/" + std::string(line));
  const auto& directory = access_.directory();
  if (directory.empty())
    return Error(Code::corrupt,
                 "the repository in the vault " + access_.vault().name +
                     " is damaged, and a new backup would rest on it. "
                     "Move these files out of it: " +
                     join(files, ", ") + "; then order a proof of level P2, and back up again",
                 "repository-damaged");
  BELAY_TRY(host_.files.make_directories(directory + "/damaged", 0700));
  for (const auto& file : files) {
    if (!host_.files.info(directory + "/" + file).ok()) continue;  // put aside before we were killed
    BELAY_TRY(
        host_.files.rename_durable(directory + "/" + file, directory + "/damaged/" + file.substr(file.rfind('/') + 1)));
  }
  BELAY_TRY(drop_dead_locks(true));
  const auto built = restic("the repository's index cannot be built anew", {"rebuild-index"}, job_.limits.timeout);
  return built.ok() ? Status() : Status(built.error());
}

// ---- reading

Result<std::vector<Stored>> Repository::snapshots() {
  BELAY_TRY_ASSIGN(const auto text,
                   restic("the snapshots cannot be listed", {"snapshots", "--json", "--no-lock"}, kListTimeout));
  return parse_snapshots(text);
}

Status Repository::each_file(const std::string& snapshot_id, const std::function<void(const ListedFile&)>& each) {
  BELAY_TRY_ASSIGN(auto prepared, call_of({"ls", "--json", "--no-lock", "--", snapshot_id}));
  Lines lines([&](std::string_view line) {
    if (const auto file = parse_listed(line)) each(*file);
  });
  prepared.timeout = job_.limits.timeout;
  prepared.sink = [&](int stream, std::string_view text) {
    if (stream == 1) lines.add(text);
  };
  const auto listed = expect("the snapshot cannot be listed", std::move(prepared));
  lines.end();
  return listed.ok() ? Status() : Status(listed.error());
}

Result<std::pair<std::uint64_t, std::uint64_t>> Repository::restore(const std::string& snapshot_id,
                                                                    const std::string& target,
                                                                    const std::vector<std::string>& include) {
  std::vector<std::string> arguments{"restore", "--target", target, "--no-lock"};
  for (const auto& path : include) append(arguments, {"--include", as_pattern(path)});
  append(arguments, {"--", snapshot_id});
  const auto done = restic("restic restore", std::move(arguments), job_.limits.timeout);
  if (!done.ok()) return done.error();
  if (include.empty()) return count_tree(host_.files, target);
  // Only those: the target may be all of this machine. It ends with 0 as well where nothing matched.
  std::pair<std::uint64_t, std::uint64_t> came{0, 0};
  for (const auto& path : include) {
    const auto place = (target == "/" ? std::string() : target) + (path.starts_with('/') ? "" : "/") + path;
    const auto info = host_.files.info(place);
    if (!info.ok())
      return Error(Code::not_found,
                   path + " is not in the recovery point; look at what is with `belay restore --preview`",
                   "not-in-point");
    if (info->kind == io::FileInfo::Kind::file) came.first += info->bytes, ++came.second;
    if (info->kind != io::FileInfo::Kind::directory) continue;
    BELAY_TRY_ASSIGN(const auto below, count_tree(host_.files, place));
    came.first += below.first;
    came.second += below.second;
  }
  return came;
}

Status Repository::forget(const std::vector<std::string>& snapshot_ids) {
  BELAY_TRY_ASSIGN(const auto before, snapshots());
  std::vector<std::string> there;
  for (const auto& id : snapshot_ids)
    if (std::ranges::find(before, id, &Stored::snapshot_id) != before.end()) there.push_back(id);
  if (there.empty()) return {};
  BELAY_TRY(drop_dead_locks(true));
  for (std::size_t i = 0; i < there.size(); i += kIdsInOneCall) {
    std::vector<std::string> arguments{"forget"};
    for (auto j = i; j < std::min(there.size(), i + kIdsInOneCall); ++j) arguments.push_back(there[j]);
    const auto gone = restic("the snapshots cannot be deleted", std::move(arguments), kListTimeout);
    if (!gone.ok()) return gone.error();
  }
  // restic 0.14 ends with 0 as well where it could not delete.
  BELAY_TRY_ASSIGN(const auto after, snapshots());
  for (const auto& id : there)
    if (std::ranges::find(after, id, &Stored::snapshot_id) != after.end())
      return Error(
          Code::permission_denied,
          "the snapshot " + id + " is still there though restic said it deleted it; may we delete in the vault?",
          "vault-refused");
  return {};
}

Status Repository::prune() {
  BELAY_TRY(drop_dead_locks(true));
  const auto done = restic("the space cannot be given back", {"prune"}, job_.limits.timeout);
  return done.ok() ? Status() : Status(done.error());
}

Result<std::uint64_t> Repository::bytes() {
  if (!access_.directory().empty()) {  // what it takes, and without reading each snapshot's tree
    BELAY_TRY_ASSIGN(const auto counted, count_tree(host_.files, access_.directory()));
    return counted.first;
  }
  BELAY_TRY_ASSIGN(const auto text, restic("the repository's size is not known",
                                           {"stats", "--mode", "raw-data", "--json", "--no-lock"}, kListTimeout));
  const auto value = json::parse(text);
  const auto* const size = value.ok() ? json::find(*value, "total_size") : nullptr;
  if (!size || !size->is_int64() || size->get_int64() < 0)
    return Error(Code::corrupt, "restic's statistics are not understood: " + sanitize(text, 200));
  return static_cast<std::uint64_t>(size->get_int64());
}

// ---- copying

Result<std::map<std::string, std::string>> Repository::copy_from(Repository& from,
                                                                 const std::vector<std::string>& ids) {
  if (!access_.goes_with(from.access_)) return copy_by_staging(from, ids);
  BELAY_TRY_ASSIGN(const auto theirs, from.snapshots());
  std::vector<std::string> arguments{"copy"};
  std::map<std::string, std::string> originals;  // what a copy calls its original, by what we call it
  for (const auto& id : ids) {
    const auto found = std::ranges::find(theirs, id, &Stored::snapshot_id);
    if (found == theirs.end())
      return Error(Code::not_found, "the snapshot " + id + " is not in the vault " + from.access_.vault().name,
                   "not-in-point");
    originals[id] = found->original.empty() ? id : found->original;
  }
  BELAY_TRY_ASSIGN(const auto other, from.call_of({}));
  BELAY_TRY_ASSIGN(auto prepared, call_of({}));
  append(prepared.argv, from.access_.restic_options());
  for (const auto& [name, value] : other.environment) prepared.environment.emplace(name, value);
  append(arguments,
         {"--from-repository-file", from.access_.repository_file(), "--from-password-file", from.key_file_->path()});
  append(arguments, ids);
  append(prepared.argv, arguments);
  prepared.timeout = job_.limits.timeout;
  const auto copied = expect("restic copy", std::move(prepared));
  if (!copied.ok()) return copied.error();
  BELAY_TRY_ASSIGN(const auto ours, snapshots());
  std::map<std::string, std::string> made;
  for (const auto& [id, original] : originals) {
    const auto found = std::ranges::find(ours, original, &Stored::original);
    if (found == ours.end())
      return Error(Code::corrupt, "restic said it copied " + id + ", and the other vault does not have it",
                   "not-understood");
    made[id] = found->snapshot_id;
  }
  return made;
}

// By a repository on this machine, for its programs reach one vault of a kind at a time.
Result<std::map<std::string, std::string>> Repository::copy_by_staging(Repository& from,
                                                                       const std::vector<std::string>& ids) {
  BELAY_TRY_ASSIGN(const auto needed, from.bytes());
  BELAY_TRY_ASSIGN(const auto room, Scratch::make(host_, job_, needed));
  backup::VaultSpec place;
  place.name = "scratch";
  place.path = room.path();
  BELAY_TRY_ASSIGN(const auto access, VaultAccess::open(host_, job_, place, {}));
  Repository staging(host_, job_, access, key_, false);
  BELAY_TRY(staging.open(true, &from));
  BELAY_TRY_ASSIGN(const auto there, staging.copy_from(from, ids));
  std::vector<std::string> staged;
  for (const auto& [id, copy] : there) staged.push_back(copy);
  BELAY_TRY_ASSIGN(const auto here, copy_from(staging, staged));
  std::map<std::string, std::string> made;
  for (const auto& [id, copy] : there) made[id] = here.at(copy);
  return made;
}

Result<Stored> store_directory(Repository& target, const std::string& directory, std::vector<std::string> tags) {
  StoreWhat what;
  what.paths = {"."};
  what.tags = std::move(tags);
  what.relative_to = directory;
  what.must_exist = {directory};
  BELAY_TRY_ASSIGN(auto stored, target.store(what));
  if (!stored.partial) return stored;
  return Error(Code::corrupt, "the copy of " + directory + " is not whole: " + join(stored.unreadable, ", "),
               "partial");
}

}  // namespace belay::agent::backups
