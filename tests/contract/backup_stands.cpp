#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "agent/backup/engines.hpp"
#include "agent/backup/fake_engine.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "tests/contract/backup_engine_contract.hpp"
#include "tests/fakes/restic_repository.hpp"

namespace belay::agent::contract {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& content, unsigned mode = 0644) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
  fs::permissions(path, static_cast<fs::perms>(mode));
}

// The same bytes for the same seed, of no pattern.
std::string noise(std::size_t bytes, unsigned seed) {
  std::mt19937 engine(seed);
  std::string text(bytes, '\0');
  for (auto& c : text) c = static_cast<char>(engine());
  return text;
}

class FilesStand : public BackupStand {
 public:
  explicit FilesStand(backup::EngineName name) : name_(name) {
    const fs::path root = directory("source");
    write(root / "etc/app.conf", "listen 80\n", 0640);
    write(root / "data/rows", noise(3 << 20, 1), 0600);
    write(root / "data/empty", "");
    write(root / "odd/plain [x]*\xc3\xa9", "one of many", 0755);
    write(root / "odd/line\nend \xff[x]*", "odd", 0755);
    fs::create_symlink("app.conf", root / "etc/link");
    fs::create_hard_link(root / "data/rows", root / "data/twin");
    for (int i = 0; i < 50; ++i) write(root / "many" / std::to_string(i), noise(2'000, static_cast<unsigned>(i + 10)));
  }
  BackupEngine& engine() override {
    if (!engine_) engine_ = make_engine(host_, name_);
    return *engine_;
  }
  backup::SourceSpec source() const override {
    backup::SourceSpec source;
    source.engine = name_;
    source.paths = {directory("source")};
    return source;
  }
  void change_source() override {
    const fs::path root = directory("source");
    const auto turn = ++turns_;
    write(root / "new" / std::to_string(turn), noise(300'000, 100 + turn));
    write(root / "etc/app.conf", "listen " + std::to_string(80 + turn) + "\n", 0644);
    fs::remove(root / "many" / std::to_string(turn));
  }
  void lose_source() override { fs::rename(directory("source"), directory("elsewhere")); }
  std::string content() override { return tree_as_text(directory("source")); }
  std::string content_restored(const std::string& path) override { return tree_as_text(path + directory("source")); }
  bool spoil(const std::string& repository) override { return spoil_largest(repository + "/data"); }
  backup::ProofLevel proves_up_to() const override { return backup::ProofLevel::P5; }
  std::vector<backup::Check> checks() const override {
    std::vector<backup::Check> checks(2);
    checks[0].name = "rows are whole";
    checks[0].command = {"sh", "-c",
                         "test $(id -u) != 0 && ! touch x 2>/dev/null && wc -c <\"$BELAY_RESTORED" +
                             directory("source/data/rows") + "\""};
    checks[0].at_least = checks[0].at_most = 3 << 20;
    checks[1].file = directory("source/etc/app.conf");
    checks[1].at_least = 10;
    return checks;
  }
  std::optional<std::string> one_file() const override { return directory("source/odd/plain [x]*\xc3\xa9"); }

 protected:
  std::unique_ptr<BackupEngine> engine_;

 private:
  backup::EngineName name_;
  unsigned turns_ = 0;
};

class BorgStand final : public FilesStand {
 public:
  BorgStand() : FilesStand(backup::EngineName::borg) {}
  bool copies() const override { return false; }
  void lay_repository() override {}
};

class FakeStand final : public FilesStand {
 public:
  FakeStand() : FilesStand(backup::EngineName::command) {
    engine_ = std::make_unique<FakeBackupEngine>(host_);
    fs::remove_all(directory("source"));
    write(directory("source/a"), "alpha");
    write(directory("source/etc/app.conf"), "listen 80\n");
    for (int i = 0; i < 9; ++i) write(directory("source/many/" + std::to_string(i)), "x");
    fs::create_directories(directory("source/data"));
    write(directory("source/data/rows"), std::string(3 << 20, 'r'));
  }
  void lay_repository() override {}
  // Only content: it keeps no modes.
  std::string content() override { return contents_of(directory("source")); }
  std::string content_restored(const std::string& path) override { return contents_of(path + directory("source")); }
  void change_source() override {
    write(directory("source/new/" + std::to_string(++turn_)), "new");
    write(directory("source/a"), "beta " + std::to_string(turn_));
  }
  bool spoil(const std::string& repository) override {
    for (const auto& entry : fs::directory_iterator(repository)) {
      if (entry.path().extension() != ".json") continue;
      auto text = *io::real_files().read(entry.path(), 64u << 20);
      text.replace(text.find("rrrr"), 1, "s");
      write(entry.path(), text);
    }
    return true;
  }
  std::optional<std::string> one_file() const override { return directory("source/a"); }

 private:
  static std::string contents_of(const fs::path& root) {
    std::vector<std::string> lines;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.is_regular_file())
        lines.push_back(fs::relative(entry, root).string() + " " +
                        io::sha256_hex(*io::real_files().read(entry.path(), 64u << 20)) + "\n");
    std::ranges::sort(lines);
    std::string text;
    for (const auto& line : lines) text += line;
    return text;
  }
  int turn_ = 0;
};

}  // namespace

Result<io::ProcessOutcome> RecordingProcesses::run(const io::ProcessSpec& spec, const io::OutputSink& sink) {
  if (before) BELAY_TRY(before(spec));
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& argument : spec.argv) said_ += argument + "\n";
    for (const auto& [name, value] : spec.environment) said_ += name + "=" + value + "\n";
  }
  return io::real_processes().run(spec, sink);
}

std::string RecordingProcesses::said() const {
  const std::scoped_lock lock(mutex_);
  return said_;
}

BackupStand::BackupStand()
    : host_{.files = io::real_files(),
            .processes = processes_,
            .clock = io::system_clock(),
            .work_directory = directory("work"),
            .state_directory = directory("state")} {
  for (const char* name : {"state", "vault", "far"}) fs::create_directories(directory(name));
}

void BackupStand::lay_repository() { fakes::lay_restic_repository(repository()); }

backup::Job BackupStand::job(backup::Task task) const {
  backup::Job job;
  job.job_id = "bj-00000000000000001";
  job.task = task;
  job.plan_id = "bp-1";
  job.plan_name = "plan";
  job.node_id = job.source_node_id = "mi-1";
  job.source = source();
  job.limits.idle_io = false;  // behind whatever else runs here it would take minutes
  job.vault.name = "near";
  job.vault.path = directory("vault");
  return job;
}

std::string BackupStand::repository(const std::string& vault) const {
  return directory(vault) + "/" + backup::repository_name("bp-1", "mi-1");
}

backup::JobReport BackupStand::run(const backup::Job& job, const Secrets& secrets) {
  return backups::do_job_with(host_, engine(), job, secrets);
}

backup::MadePoint BackupStand::back_up() {
  const auto report = run(job(backup::Task::backup));
  EXPECT_EQ(report.outcome, backup::JobOutcome::ok) << json::to_pretty_text(json::encode(report));
  return report.points.empty() ? backup::MadePoint() : report.points[0];
}

Secrets BackupStand::secrets() const {
  return {{"repository.key", fakes::kRepositoryKey}, {"copy.repository.key", "far-key-Bb2%/ y"}};
}

std::string tree_as_text(const std::string& root) {
  std::vector<std::string> lines;
  if (!fs::exists(root)) return "absent";
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto status = entry.symlink_status();
    auto line = fs::relative(entry, root).string() + " " + std::to_string(static_cast<unsigned>(status.permissions()));
    if (entry.is_symlink()) line += " -> " + fs::read_symlink(entry).string();
    else if (entry.is_regular_file())
      line += " " + std::to_string(fs::hard_link_count(entry)) + " " +
              io::sha256_hex(*io::real_files().read(entry.path(), 64u << 20));
    lines.push_back(line + "\n");
  }
  std::ranges::sort(lines);
  std::string text;
  for (const auto& line : lines) text += line;
  return text;
}

bool spoil_largest(const std::string& directory) {
  fs::path largest;
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file() && entry.file_size() > bytes) largest = entry.path(), bytes = entry.file_size();
  if (bytes == 0) return false;
  fs::permissions(largest, fs::perms::owner_write, fs::perm_options::add);
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bytes / 2));
  const auto byte = static_cast<char>(file.get() ^ 0x40);
  file.seekp(static_cast<std::streamoff>(bytes / 2));
  file.put(byte);
  return file.good();
}

bool has_program(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

MadeBackupStand make_fake_backup_stand() { return {std::make_unique<FakeStand>(), ""}; }

MadeBackupStand make_restic_stand() {
  if (!has_program("restic")) return {nullptr, "restic is not installed"};
  if (::geteuid() != 0) return {nullptr, "drills need root"};
  return {std::make_unique<FilesStand>(backup::EngineName::restic), ""};
}

MadeBackupStand make_borg_stand() {
  if (!has_program("borg")) return {nullptr, "borg is not installed"};
  if (::geteuid() != 0) return {nullptr, "drills need root"};
  return {std::make_unique<BorgStand>(), ""};
}

}  // namespace belay::agent::contract
