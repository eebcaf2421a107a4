#include "tests/contract/real_root.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

namespace belay::agent::contract {
namespace {

namespace fs = std::filesystem;

io::ProcessOutcome run_here(const std::vector<std::string>& argv) {
  io::ProcessSpec spec;
  spec.argv = argv;
  spec.environment = io::plain_environment();
  spec.environment["DEBIAN_FRONTEND"] = "noninteractive";
  spec.environment["SUDO_FORCE_REMOVE"] = "no";
  if (const char* lab = std::getenv("BELAY_LAB_DIR")) spec.environment["BELAY_LAB_DIR"] = lab;
  spec.timeout = Duration(900'000);
  spec.working_directory = fs::current_path();
  const auto outcome = io::real_processes().run(spec);
  if (!outcome.ok()) throw std::runtime_error(outcome.error().chain());
  return *outcome;
}

std::string script() { return (fs::current_path() / "tests/contract/prepare_root.py").string(); }

// The prepared roots of this program; removed at its end.
class Prepared {
 public:
  static Prepared& instance() {
    static Prepared prepared;
    return prepared;
  }
  struct Row {
    std::string folder, why_not;
  };
  const Row& get(const std::string& kind) {
    if (const auto known = rows_.find(kind); known != rows_.end()) return known->second;
    Row row{(base_ / kind).string(), ""};
    const auto outcome = run_here({"python3", script(), kind, row.folder});
    if (outcome.exit_status == 77) row.why_not = outcome.standard_output;
    else if (!outcome.success())
      row.why_not = "prepare_root.py failed: " + outcome.standard_output + outcome.standard_error;
    return rows_[kind] = row;
  }

 private:
  Prepared() : base_(fs::temp_directory_path() / ("belay-contract-" + std::to_string(::getpid()))) {
    fs::create_directories(base_);
  }
  ~Prepared() {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  fs::path base_;
  std::map<std::string, Row> rows_;
};

}  // namespace

Result<io::ProcessOutcome> ChrootProcesses::run(const io::ProcessSpec& spec, const io::OutputSink& sink) {
  io::ProcessSpec inside = spec;
  inside.argv = {"chroot", root_, "sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", spec.working_directory};
  inside.argv.insert(inside.argv.end(), spec.argv.begin(), spec.argv.end());
  inside.working_directory = "/";
  auto outcome = io::real_processes().run(inside, sink);
  if (outcome.ok() && outcome->end == io::ProcessOutcome::End::exited && outcome->exit_status == 127)
    return Error(Code::not_found, "there is no program " + spec.argv[0]);
  return outcome;
}

std::unique_ptr<RealRoot> RealRoot::make(const std::string& kind, std::string& why_not) {
  if (::geteuid() != 0) return why_not = "root is needed to mount and to chroot", nullptr;
  const auto& prepared = Prepared::instance().get(kind);
  if (!prepared.why_not.empty()) return why_not = prepared.why_not, nullptr;
  static int count = 0;
  const std::string overlay = prepared.folder + "/overlay-" + std::to_string(++count);
  for (const char* part : {"/upper", "/work", "/merged"}) fs::create_directories(overlay + part);
  const std::string options =
      "lowerdir=" + prepared.folder + "/root,upperdir=" + overlay + "/upper,workdir=" + overlay + "/work";
  if (::mount("belay-contract", (overlay + "/merged").c_str(), "overlay", 0, options.c_str()) != 0)
    return why_not = "overlay file systems cannot be mounted here", nullptr;
  if (::mount("proc", (overlay + "/merged/proc").c_str(), "proc", 0, nullptr) != 0)
    why_not = "proc cannot be mounted here";
  return std::unique_ptr<RealRoot>(new RealRoot(kind, overlay));
}

RealRoot::RealRoot(std::string kind, std::string overlay)
    : kind_(std::move(kind)), overlay_(std::move(overlay)), merged_(overlay_ + "/merged"), processes_(merged_) {}

RealRoot::~RealRoot() {
  ::umount2((merged_ + "/proc").c_str(), MNT_DETACH);
  ::umount2(merged_.c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(overlay_, ignored);
}

std::string RealRoot::folder() const { return fs::path(overlay_).parent_path().string(); }

std::string RealRoot::inside(const std::vector<std::string>& argv) {
  std::vector<std::string> whole{"chroot", merged_};
  whole.insert(whole.end(), argv.begin(), argv.end());
  return outside(whole);
}

std::string RealRoot::outside(const std::vector<std::string>& argv) {
  const auto outcome = run_here(argv);
  EXPECT_TRUE(outcome.success()) << argv[0] << ": " << outcome.standard_output << outcome.standard_error;
  return outcome.standard_output;
}

void RealRoot::forget_old_versions() { outside({"python3", script(), "republish-" + kind_, folder(), merged_}); }

}  // namespace belay::agent::contract
