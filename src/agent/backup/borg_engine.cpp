#include <algorithm>

#include "agent/backup/borg_text.hpp"
#include "agent/backup/engines.hpp"
#include "agent/backup/files_engine.hpp"
#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobReport;
using backup::Task;

constexpr Duration kOpenTimeout{180'000}, kListTimeout{600'000};
constexpr std::size_t kNamesInOneCall = 100;

std::string quoted(const std::string& text) { return "'" + text + "'"; }  // our own paths have no quote in them

// borg 1.2. Its exit statuses: 0 well, 1 with warnings (also where nothing at all was found to back up), 2 failed;
// which of it happened is in the messages that --log-json gives.
class BorgStore final : public FileStore {
 public:
  BorgStore(const BackupHost& host, const Job& job, VaultAccess access, std::string key)
      : host_(host), job_(job), access_(std::move(access)), key_(std::move(key)) {}

  Status open(bool make) override;
  Result<Stored> store(const StoreWhat& what) override;
  Result<std::vector<Stored>> snapshots() override;
  Status check(bool read_data) override;
  Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string& id, const std::string& target,
                                                          const std::vector<std::string>& include) override;
  Status forget(const std::vector<std::string>& ids) override;
  Status compact() override;
  Result<std::uint64_t> bytes() override;
  Status each_file(const std::string& id, const std::function<void(const ListedFile&)>& each) override;
  Result<std::string> version() override;
  const VaultAccess& access() const override { return access_; }

 private:
  struct Ran {
    io::ProcessOutcome outcome;
    BorgMessages messages;
  };
  std::string place() const;
  std::string archive(const std::string& name) const { return place() + "::" + name; }
  Result<Call> call_of(std::vector<std::string> arguments, Duration timeout);
  Result<Ran> run(Call what, const std::function<void(std::string_view)>& each_line = {});
  Result<Ran> borg(std::vector<std::string> arguments, Duration timeout) {
    BELAY_TRY_ASSIGN(auto what, call_of(std::move(arguments), timeout));
    return run(std::move(what));
  }
  Status make();
  std::string flat_name() const;
  std::string note_of_damage() const { return host_.state_directory + "/damaged/" + flat_name(); }
  Result<Stored> judge(const Ran& ran, const StoreWhat& what);

  const BackupHost& host_;
  const Job& job_;
  VaultAccess access_;
  std::string key_;
  std::optional<SecretFile> key_file_;
};

std::string BorgStore::place() const {
  return access_.directory().empty() ? "ssh://vault" + access_.ssh_path() : access_.directory();
}

std::string BorgStore::flat_name() const {
  const auto& node = job_.source_node_id.empty() ? job_.node_id : job_.source_node_id;
  auto name = backup::repository_name(job_.plan_id, node) + "@" + access_.vault().name;
  std::ranges::replace(name, '/', '-');
  return name;
}

Result<Call> BorgStore::call_of(std::vector<std::string> arguments, Duration timeout) {
  if (!key_file_) {
    if (key_.empty())
      return Error(Code::unauthenticated, "the vault " + access_.vault().name + " has no repository key; hand it one",
                   "wrong-key");
    BELAY_TRY_ASSIGN(auto file, SecretFile::make(host_, "borg-key", key_));
    key_file_.emplace(std::move(file));
  }
  Call what;
  what.argv = {"borg", "--log-json", "--lock-wait", "5"};
  what.argv.insert(what.argv.end(), arguments.begin(), arguments.end());
  // A proof from afar must stand on nothing that is cached here: borg also refuses a repository that went back in time.
  const auto base = job_.offsite ? host_.work_directory + "/borg" : host_.state_directory + "/borg/" + flat_name();
  BELAY_TRY(host_.files.make_directories(base, 0700));
  what.environment = {{"BORG_PASSCOMMAND", "cat " + quoted(key_file_->path())},
                      {"BORG_BASE_DIR", base},
                      {"BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"},
                      {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "no"},
                      {"TMPDIR", host_.work_directory},
                      {"TZ", "UTC"}};
  if (!access_.ssh_config().empty()) what.environment["BORG_RSH"] = "ssh -F " + quoted(access_.ssh_config());
  what.timeout = timeout;
  what.gently = true;
  return what;
}

Result<BorgStore::Ran> BorgStore::run(Call what, const std::function<void(std::string_view)>& each_line) {
  Ran ran;
  Lines errors([&](std::string_view line) { read_borg_message(line, ran.messages, host_.progress); });
  Lines output([&](std::string_view line) {
    if (each_line) each_line(line);
  });
  what.sink = [&](int stream, std::string_view text) { (stream == 2 ? errors : output).add(text); };
  BELAY_TRY_ASSIGN(ran.outcome, call(host_, job_, std::move(what)));
  errors.end();
  output.end();
  using End = io::ProcessOutcome::End;
  if (ran.outcome.end == End::cancelled) return Error(Code::cancelled, "borg was stopped, as somebody asked for");
  if (ran.outcome.end == End::timed_out)
    return Error(Code::timed_out, "borg: " + how_it_ended(ran.outcome), "vault-away");
  if (ran.outcome.end == End::signalled || ran.outcome.exit_status > 1) return borg_error("borg", ran.messages);
  return ran;
}

Result<std::string> BorgStore::version() {
  Call what;
  what.argv = {"borg", "--version"};
  BELAY_TRY_ASSIGN(const auto text, must(host_, job_, std::move(what)));
  return sanitize(trim(text), 100);
}

Status BorgStore::open(bool make_it) {
  auto opened = borg({"list", "--json", "--last", "1", place()}, kOpenTimeout);
  if (opened.ok()) return {};
  const bool none = opened.error().reason() == "no-repository";
  if (none && must_be_there(job_, access_.vault())) return repository_gone(access_.vault());
  if (!none || !make_it) return opened.error();
  return make();
}

// The exported key is of no use without the passphrase; without it the passphrase is of no use once the repository's
// config file is lost (borg keeps the key in there alone).
Status BorgStore::make() {
  const auto made = borg({"init", "--encryption", "repokey-blake2", "--make-parent-dirs", place()}, kOpenTimeout);
  if (!made.ok()) return made.error();
  BELAY_TRY(host_.files.make_directories(host_.state_directory + "/borg-keys", 0700));
  const auto copy = host_.state_directory + "/borg-keys/" + flat_name();
  const auto exported = borg({"key", "export", place(), copy}, kOpenTimeout);
  if (!exported.ok()) return exported.error();
  if (access_.directory().empty()) return {};
  BELAY_TRY_ASSIGN(const auto text, host_.files.read(copy, 64 << 10));
  return host_.files.write_durable(access_.directory() + ".key", text, 0600);
}

Result<Stored> BorgStore::store(const StoreWhat& what) {
  for (const auto& path : what.must_exist)
    if (!host_.files.info(path).ok())
      return Error(Code::not_found,
                   path +
                       " is not there, and the plan backs it up; is its file system mounted? Mount it, or take it out "
                       "of the plan",
                   "source-missing");
  if (host_.files.info(note_of_damage()).ok())
    return Error(
        Code::corrupt,
        "the repository " + place() +
            " is damaged, and a new backup would rest on it. Run `borg check --repair --verify-data` there (it "
            "replaces what is broken by zeros, and the next backup heals what the source still has), then remove " +
            note_of_damage(),
        "repository-damaged");
  BELAY_TRY_ASSIGN(const auto excludes, SecretFile::make(host_, "excludes", join(what.excludes, "\n") + "\n"));
  auto now = to_iso8601(host_.clock.now());
  std::ranges::replace(now, ':', '-');
  std::vector<std::string> arguments{"create",        "--json",    "--progress",        "--exclude-from",
                                     excludes.path(), "--comment", join(what.tags, " ")};
  if (what.one_file_system) arguments.emplace_back("--one-file-system");
  if (const auto limit = access_.vault().bytes_a_second_max; limit > 0)
    arguments.insert(arguments.end(), {"--upload-ratelimit", std::to_string(std::max<std::uint64_t>(1, limit >> 10))});
  arguments.insert(arguments.end(), {archive("belay-" + now + "-" + to_hex(io::random_bytes(4))), "--"});
  arguments.insert(arguments.end(), what.paths.begin(), what.paths.end());
  BELAY_TRY_ASSIGN(auto prepared, call_of(std::move(arguments), job_.limits.timeout));
  prepared.directory = what.relative_to;
  BELAY_TRY_ASSIGN(const auto ran, run(std::move(prepared)));
  return judge(ran, what);
}

Result<Stored> BorgStore::judge(const Ran& ran, const StoreWhat& what) {
  BELAY_TRY_ASSIGN(auto stored, parse_borg_created(ran.outcome.standard_output));
  stored.paths = what.paths;
  stored.unreadable = ran.messages.unreadable;
  stored.partial = !stored.unreadable.empty();
  if (ran.outcome.exit_status == 1 && ran.messages.warnings.empty())
    return Error(Code::internal, "borg warns, and does not say of what", "not-understood");
  BELAY_TRY_ASSIGN(const auto list, snapshots());
  const auto found = std::ranges::find(list, stored.snapshot_id, &Stored::snapshot_id);
  if (found == list.end())
    return Error(Code::corrupt, "borg said it made " + stored.snapshot_id + ", and the repository does not have it",
                 "not-understood");
  if (found != list.begin()) stored.previous_at = std::prev(found)->taken_at;
  if (stored.files > 0 || !stored.partial) return stored;
  // An archive of nothing: borg makes one where all that it was told of is missing.
  BELAY_TRY(forget({stored.snapshot_id}));
  return Error(Code::not_found, "nothing could be read: " + join(stored.unreadable, ", "), "source-missing");
}

Result<std::vector<Stored>> BorgStore::snapshots() {
  BELAY_TRY_ASSIGN(const auto ran, borg({"list", "--json", place()}, kListTimeout));
  return parse_borg_list(ran.outcome.standard_output);
}

Status BorgStore::check(bool read_data) {
  const auto ran = borg({"check", read_data ? "--verify-data" : "--archives-only", place()}, job_.limits.timeout);
  if (!ran.ok() && ran.error().reason() != "repository-damaged") return ran.error();
  if (ran.ok() && ran->outcome.exit_status == 0 && ran->messages.errors.empty())
    return read_data ? host_.files.remove(note_of_damage()) : Status();
  BELAY_TRY(host_.files.make_directories(host_.state_directory + "/damaged", 0700));
  BELAY_TRY(host_.files.write_durable(note_of_damage(), "borg check\n", 0600));
  const auto said =
      ran.ok() ? join(ran->messages.errors, "; ") + join(ran->messages.warnings, "; ") : ran.error().message();
  return Error(Code::corrupt, "borg check: " + sanitize(said, 1'000), "repository-damaged");
}

Result<std::pair<std::uint64_t, std::uint64_t>> BorgStore::restore(const std::string& id, const std::string& target,
                                                                   const std::vector<std::string>& include) {
  std::vector<std::string> arguments{"extract", "--sparse", archive(id), "--"};
  for (const auto& path : include) arguments.push_back("pp:" + (path.starts_with('/') ? path.substr(1) : path));
  BELAY_TRY_ASSIGN(auto what, call_of(std::move(arguments), job_.limits.timeout));
  what.directory = target;
  BELAY_TRY_ASSIGN(const auto ran, run(std::move(what)));
  for (const auto& path : include)
    if (!host_.files.info(target + (path.starts_with('/') ? "" : "/") + path).ok())
      return Error(Code::not_found,
                   path + " is not in the recovery point; look at what is with `belay restore --preview`",
                   "not-in-point");
  if (ran.outcome.exit_status != 0)
    return Error(Code::corrupt, "not everything came back: " + join(ran.messages.warnings, "; "), "repository-damaged");
  return count_tree(host_.files, target);
}

// `borg delete` ends with 0 as well where there is no such archive.
Status BorgStore::forget(const std::vector<std::string>& ids) {
  BELAY_TRY_ASSIGN(const auto before, snapshots());
  std::vector<std::string> there;
  for (const auto& id : ids)
    if (std::ranges::find(before, id, &Stored::snapshot_id) != before.end()) there.push_back(id);
  for (std::size_t i = 0; i < there.size(); i += kNamesInOneCall) {
    std::vector<std::string> arguments{"delete", place()};
    for (auto j = i; j < std::min(there.size(), i + kNamesInOneCall); ++j) arguments.push_back(there[j]);
    const auto gone = borg(std::move(arguments), kListTimeout);
    if (!gone.ok()) return gone.error();
  }
  if (there.empty()) return {};
  BELAY_TRY_ASSIGN(const auto after, snapshots());
  for (const auto& id : there)
    if (std::ranges::find(after, id, &Stored::snapshot_id) != after.end())
      return Error(Code::permission_denied, "the archive " + id + " is still there; may we delete in the vault?",
                   "vault-refused");
  return {};
}

Status BorgStore::compact() {
  const auto ran = borg({"compact", place()}, job_.limits.timeout);
  return ran.ok() ? Status() : Status(ran.error());
}

Result<std::uint64_t> BorgStore::bytes() {
  if (access_.directory().empty()) return Error(Code::unsupported, "a repository behind ssh does not tell its size");
  BELAY_TRY_ASSIGN(const auto counted, count_tree(host_.files, access_.directory()));
  return counted.first;
}

Status BorgStore::each_file(const std::string& id, const std::function<void(const ListedFile&)>& each) {
  BELAY_TRY_ASSIGN(auto what,
                   call_of({"list", "--json-lines", "--format", "{size}{isomtime}", archive(id)}, job_.limits.timeout));
  const auto ran = run(std::move(what), [&](std::string_view line) {
    auto file = parse_listed(line);
    if (!file) return;
    file->path.insert(0, "/");  // borg keeps paths without it
    each(*file);
  });
  return ran.ok() ? Status() : Status(ran.error());
}

class BorgEngine final : public FilesEngine {
 public:
  using FilesEngine::FilesEngine;
  backup::EngineName name() const override { return backup::EngineName::borg; }
  JobReport copy(const Job&, const Secrets&) override {
    return failed(
        Task::copy,
        Error(
            Code::unsupported,
            "borg 1.2 cannot copy archives between repositories; make a second plan for the other vault, or use restic",
            "no-engine"));
  }

 protected:
  Result<std::unique_ptr<FileStore>> reach(const Job& job, const Secrets& secrets) override {
    BELAY_TRY_ASSIGN(auto access, VaultAccess::open(host_, job, job.vault, secrets));
    if (access.directory().empty() && access.ssh_config().empty())
      return Error(Code::unsupported,
                   "borg writes into directories and over ssh, not into a vault of the kind of " + job.vault.name,
                   "no-engine");
    const auto key = secrets.find("repository.key");
    return std::unique_ptr<FileStore>(
        std::make_unique<BorgStore>(host_, job, std::move(access), key == secrets.end() ? "" : key->second));
  }
};

}  // namespace

std::unique_ptr<BackupEngine> make_borg(const BackupHost& host) { return std::make_unique<BorgEngine>(host); }

}  // namespace belay::agent::backups
