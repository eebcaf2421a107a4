#include "agent/backup/tape.hpp"

#include <algorithm>
#include <charconv>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

constexpr std::string_view kLabelFile = "belay-tape.json";
constexpr Duration kMoveTimeout{1'800'000};  // a long tape takes minutes from one end to the other
constexpr std::size_t kLabelBytesMax = 4'096;
constexpr const char* kBlocks = "--blocking-factor=128";  // 64 KiB
constexpr std::uint64_t kRoomReserve = 64u << 20;

std::string key_of(const Secrets& secrets, const char* name) {
  const auto found = secrets.find(name);
  return found == secrets.end() ? std::string() : found->second;
}

class Tape {
 public:
  Tape(const BackupHost& host, const Job& job, std::string device)
      : host_(host), job_(job), device_(std::move(device)) {}

  Status look() {
    const auto info = host_.files.info(device_);
    if (!info.ok())
      return Error(Code::unavailable, "the drive " + device_ + " is not there: " + info.error().chain(),
                   "drive-wanted");
    is_file_ = info->kind == io::FileInfo::Kind::file;
    if (is_file_ || (info->kind == io::FileInfo::Kind::other && device_.starts_with("/dev/"))) return move({"status"});
    return Error(Code::invalid_argument, device_ + " is no drive; name the one that does not rewind, as /dev/nst0",
                 "vault-refused");
  }

  // The end of what it holds: where the next archive will be.
  Result<std::uint64_t> end() {
    if (is_file_) {
      BELAY_TRY_ASSIGN(const auto info, host_.files.info(device_));
      return info.bytes;
    }
    BELAY_TRY(move({"eod"}));
    Call what = drive({"status"});
    BELAY_TRY_ASSIGN(const auto said, must(host_, job_, std::move(what)));
    constexpr std::string_view kNumber = "File number=";
    const auto at = said.find(kNumber);
    std::uint64_t number = 0;
    const auto rest = at == std::string::npos ? std::string_view() : std::string_view(said).substr(at + kNumber.size());
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || stop == rest.data())
      return Error(Code::internal, "mt does not say where the tape stands: " + sanitize(said, 300), "not-understood");
    return number;
  }

  // At the end; the tape stands there.
  Status write(const std::string& directory) {
    Call what;
    what.directory = "/";
    what.timeout = job_.limits.timeout;
    what.gently = true;
    if (is_file_)
      what.argv = {"sh", "-c", "exec tar --create --file - --directory \"$1\" . >>\"$2\"", "sh", directory, device_};
    else what.argv = {"tar", "--create", kBlocks, "--file", device_, "--directory", directory, "."};
    const auto written = must(host_, job_, std::move(what));
    if (written.ok()) return {};
    const bool full = written.error().message().find("No space left") != std::string::npos;
    return Error(Code::resource_exhausted, "the tape cannot be written: " + written.error().chain(),
                 full ? "vault-full" : "vault-refused");
  }

  // `how`: "--extract" into the directory or "--compare" with it.
  Result<std::string> read(std::uint64_t place, const char* how, const std::string& directory) {
    Call what;
    what.directory = "/";
    what.timeout = job_.limits.timeout;
    what.gently = true;
    if (is_file_) {
      what.argv = {"sh",
                   "-c",
                   "tail --bytes=+\"$1\" -- \"$2\" | tar \"$3\" --file - --directory \"$4\"",
                   "sh",
                   std::to_string(place + 1),
                   device_,
                   how,
                   directory};
    } else {
      BELAY_TRY(move({"asf", std::to_string(place)}));
      what.argv = {"tar", how, kBlocks, "--file", device_, "--directory", directory};
    }
    return must(host_, job_, std::move(what));
  }

 private:
  Call drive(std::vector<std::string> words) const {
    Call what;
    what.argv = {"mt", "-f", device_};
    what.argv.insert(what.argv.end(), words.begin(), words.end());
    what.timeout = kMoveTimeout;
    what.directory = "/";
    return what;
  }
  Status move(std::vector<std::string> words) {
    if (is_file_) return {};
    const auto moved = must(host_, job_, drive(std::move(words)));
    if (moved.ok()) return {};
    if (moved.error().reason() == "program-missing") return moved.error();
    return Error(Code::unavailable,
                 "the drive " + device_ + " does not obey: " + moved.error().chain() + "; is a tape in it?",
                 "drive-wanted");
  }

  const BackupHost& host_;
  const Job& job_;
  std::string device_;
  bool is_file_ = false;
};

// The tape's name. One that holds nothing is labelled where `make`.
Result<std::string> label_of(const BackupHost& host, const Job& job, Tape& tape, const std::string& vault, bool make) {
  BELAY_TRY_ASSIGN(const auto room, Scratch::make(host, job, 1u << 20));
  const auto file = room.path() + "/" + std::string(kLabelFile);
  BELAY_TRY_ASSIGN(const auto end, tape.end());
  if (end == 0 && make) {
    const auto name = std::to_string(to_unix_ms(host.clock.now()));
    const json::Object label{{"belay", 1}, {"vault", vault}, {"tape", name}, {"made_at", to_iso8601(host.clock.now())}};
    BELAY_TRY(host.files.write_durable(file, json::to_text(label) + "\n", 0600));
    BELAY_TRY(tape.write(room.path()));
    return name;
  }
  if (end == 0)
    return Error(Code::unavailable, "the tape in the drive of the vault " + vault + " is empty; insert one of its own",
                 "drive-wanted");
  const auto read = tape.read(0, "--extract", room.path());
  const auto text = host.files.read(file, kLabelBytesMax);
  const auto label = text.ok() ? json::parse(*text) : Result<json::Value>(text.error());
  const bool ours = label.ok() && label->is_object() && json::text_or_empty(*label, "vault") == vault;
  const auto name = ours ? json::text_or_empty(*label, "tape") : std::string();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!name.empty() && std::ranges::all_of(name, is_digit)) return name;
  return Error(Code::unauthenticated,
               "the tape in the drive is none of the vault " + vault +
                   (read.ok() ? "" : " (its first archive cannot be read: " + read.error().message() + ")") +
                   "; insert another one, or erase it where nobody needs it: mt erase",
               "vault-refused");
}

backup::VaultSpec staging_in(const std::string& directory, const std::string& name) {
  backup::VaultSpec place;
  place.name = name;
  place.path = directory;
  return place;
}

Result<JobReport> copy_all(const BackupHost& host, const Job& job, const Secrets& secrets) {
  const auto& vault = *job.copy_to;
  Tape tape(host, job, vault.tape->device);
  BELAY_TRY(tape.look());
  BELAY_TRY_ASSIGN(const auto name, label_of(host, job, tape, vault.name, true));
  auto report = begun(Task::copy);
  Stopwatch watch(host.clock, report);
  BELAY_TRY_ASSIGN(const auto own, VaultAccess::open(host, job, job.vault, secrets));
  Repository from(host, job, own, key_of(secrets, "repository.key"), !job.offsite);
  BELAY_TRY(from.open(false));
  BELAY_TRY_ASSIGN(const auto bytes, from.bytes());
  BELAY_TRY_ASSIGN(const auto room, Scratch::make(host, job, bytes + bytes / 20 + kRoomReserve));
  // On tape is the repository's directory itself, so it is made where the restore will look for it.
  BELAY_TRY_ASSIGN(const auto staging, VaultAccess::open(host, job, staging_in(room.path(), vault.name), {}));
  Repository to(host, job, staging, key_of(secrets, "copy.repository.key"), false);
  watch.begin("stage");
  BELAY_TRY(to.open(true, &from));
  std::vector<std::string> ids;
  for (const auto& point : job.points) ids.push_back(point.reference);
  BELAY_TRY_ASSIGN(const auto made, to.copy_from(from, ids));
  BELAY_TRY_ASSIGN(const auto place, tape.end());
  watch.begin("write");
  BELAY_TRY(tape.write(room.path()));
  watch.begin("read again");
  BELAY_TRY_ASSIGN(const auto differs,
                   tape.read(place, "--compare", room.path()).within("the tape cannot be read again"));
  watch.end();
  if (!trim(differs).empty())
    return Error(Code::corrupt, "what the tape holds is not what was written: " + sanitize(differs, 500),
                 "not-understood");
  BELAY_TRY_ASSIGN(const auto written, count_tree(host.files, room.path()));
  for (auto point : job.points) {
    point.reference = text_of(OnTape{name, place, made.at(point.reference)});
    point.bytes_added = written.first;  // of the archive: so much room its restore needs beside itself
    point.remarks.push_back("on tape " + name + " of the vault " + vault.name + ", archive at " +
                            std::to_string(place));
    report.points.push_back(std::move(point));
  }
  report.bytes = written.first;
  report.files = written.second;
  pass(report, ProofLevel::P0, "copied",
       std::to_string(made.size()) + " points, " + std::to_string(written.first) + " bytes on tape " + name +
           ", archive at " + std::to_string(place));
  pass(report, ProofLevel::P2, "read again", "every byte is what was written");
  return report;
}

class TapeStore final : public FileStore {
 public:
  TapeStore(const BackupHost& host, const Job& job, Scratch room, VaultAccess access, OnTape point, std::string key)
      : room_(std::move(room)),
        access_(std::move(access)),
        point_(std::move(point)),
        repository_(host, job, access_, std::move(key), false) {}
  Status open(bool) override { return repository_.open(false); }
  Result<Stored> store(const StoreWhat&) override {
    return Error(Code::unsupported, "a tape takes copies only; back up to another vault and copy", "no-engine");
  }
  Result<std::vector<Stored>> snapshots() override {
    BELAY_TRY_ASSIGN(auto list, repository_.snapshots());
    for (auto& one : list) one.snapshot_id = text_of(OnTape{point_.tape, point_.place, one.snapshot_id});
    return list;
  }
  Status check(bool read_data) override { return repository_.check(read_data); }
  Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string& id, const std::string& target,
                                                          const std::vector<std::string>& include) override {
    return repository_.restore(plain(id), target, include);
  }
  // It stays on the tape, and nobody counts on it any more.
  Status forget(const std::vector<std::string>&) override { return {}; }
  Status compact() override { return {}; }
  Result<std::uint64_t> bytes() override { return repository_.bytes(); }
  Status each_file(const std::string& id, const std::function<void(const ListedFile&)>& each) override {
    return repository_.each_file(plain(id), each);
  }
  Result<std::string> version() override { return repository_.version(); }
  const VaultAccess& access() const override { return access_; }

 private:
  static std::string plain(const std::string& id) {
    const auto point = parse_on_tape(id);
    return point ? point->snapshot_id : id;
  }
  Scratch room_;
  VaultAccess access_;
  OnTape point_;
  Repository repository_;
};

}  // namespace

std::string text_of(const OnTape& point) {
  return "tape:" + point.tape + ":" + std::to_string(point.place) + ":" + point.snapshot_id;
}

std::optional<OnTape> parse_on_tape(std::string_view reference) {
  const auto parts = split(reference, ':');
  OnTape point;
  if (parts.size() != 4 || parts[0] != "tape" || parts[1].empty() || parts[3].empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), point.place);
  if (error != std::errc() || end != parts[2].data() + parts[2].size()) return std::nullopt;
  point.tape = parts[1];
  point.snapshot_id = parts[3];
  return point;
}

bool is_tape_drive(const backup::VaultSpec& vault) {
  return vault.kind == backup::VaultKind::tape && vault.tape && vault.tape->ltfs.empty();
}

JobReport copy_to_tape(const BackupHost& host, const Job& job, const Secrets& secrets) {
  auto report = copy_all(host, job, secrets);
  return report.ok() ? std::move(*report) : failed(Task::copy, report.error());
}

JobReport check_tape(const BackupHost& host, const Job& job) {
  Tape tape(host, job, job.vault.tape->device);
  const auto there = tape.look();
  if (!there.ok()) return failed(Task::check, there.error());
  const auto end = tape.end();
  if (!end.ok()) return failed(Task::check, end.error());
  auto report = begun(Task::check);
  if (*end == 0) return pass(report, ProofLevel::P0, "drive", "has an empty tape, which the next copy labels"), report;
  const auto name = label_of(host, job, tape, job.vault.name, false);
  if (!name.ok()) return failed(Task::check, name.error());
  pass(report, ProofLevel::P0, "drive", "has tape " + *name + ", used up to " + std::to_string(*end));
  return report;
}

JobReport let_go_of(const Job& job) {
  auto report = begun(Task::forget);
  for (const auto& point : job.points) report.forgotten.push_back(point.reference);
  pass(report, ProofLevel::P0, "let go", "nobody counts on it any more; it stays on the tape until that is erased");
  return report;
}

Result<std::unique_ptr<FileStore>> read_from_tape(const BackupHost& host, const Job& job, const Secrets& secrets) {
  const auto point = job.points.empty() ? std::nullopt : parse_on_tape(job.points.front().reference);
  if (!point)
    return Error(Code::unsupported,
                 "the vault " + job.vault.name +
                     " is a tape drive, which takes copies and gives back points of its "
                     "own alone; name one of them",
                 "no-engine");
  Tape tape(host, job, job.vault.tape->device);
  BELAY_TRY(tape.look());
  BELAY_TRY_ASSIGN(const auto name, label_of(host, job, tape, job.vault.name, false));
  if (name != point->tape)
    return Error(
        Code::unavailable,
        "the point is on tape " + point->tape + ", and tape " + name + " is in the drive; insert the other one",
        "drive-wanted");
  const auto bytes = job.points.front().bytes_added;
  BELAY_TRY_ASSIGN(auto room, Scratch::make(host, job, bytes + bytes / 20 + kRoomReserve));
  const auto read = tape.read(point->place, "--extract", room.path());
  if (!read.ok()) return read.error().within("the archive at " + std::to_string(point->place) + " of tape " + name);
  BELAY_TRY_ASSIGN(auto access, VaultAccess::open(host, job, staging_in(room.path(), job.vault.name), {}));
  return std::unique_ptr<FileStore>(std::make_unique<TapeStore>(host, job, std::move(room), std::move(access), *point,
                                                                key_of(secrets, "repository.key")));
}

}  // namespace belay::agent::backups
