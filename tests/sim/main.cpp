// usage: belay-sim [--seeds N] [--first N] [--seed N]
// N seeds from the first one on, or one seed with its trace. Exit status 1 where a checker found something: the seed
// and its trace stand on standard error, and --seed replays it exactly.
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/log.hpp"
#include "io/crypto.hpp"
#include "server/engine/judge.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "tests/sim/seeded_bytes.hpp"
#include "tests/sim/world.hpp"

namespace belay::sim {
namespace {

constexpr std::uint64_t kFailuresShown = 3;

store::Seams plain_seams() {
  store::Seams seams;
  seams.sha256_hex = [](std::string_view bytes) { return io::sha256_hex(bytes); };
  seams.seal = [](std::string_view bytes) { return std::string(bytes); };
  seams.unseal = [](std::string_view bytes) -> Result<std::string> { return std::string(bytes); };
  return seams;
}

// The folder of the simulated disks: in memory, so that a commit costs no disk's time.
class Folder {
 public:
  Folder() {
    const std::filesystem::path fast = "/dev/shm";
    const auto where = ::access(fast.c_str(), W_OK) == 0 ? fast : std::filesystem::temp_directory_path();
    path_ = where / ("belay-sim-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class Simulator {
 public:
  Simulator() {
    const auto keys = io::make_signing_key();
    authority_.order_private_key = keys.private_key;
    authority_.order_public_key = keys.public_key;
    const auto store = store::sqlite::open(template_path(), plain_seams());
    BELAY_ASSERT(store.ok());
    BELAY_ASSERT(server::install_predefined_baselines(**store, from_unix_ms(1'795'000'000'000)).ok());
  }

  struct Course {
    std::vector<std::string> trace, wrong;
    std::uint64_t events = 0;
  };
  Course run(std::uint64_t seed) {
    const auto folder = folder_.path() / "seed";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(template_path(), folder / "belay.db");
    seed_random_bytes(seed);
    auto store = store::sqlite::open((folder / "belay.db").string(), plain_seams(), {.readers = 1});
    BELAY_ASSERT(store.ok());
    World world(seed, folder.string(), std::move(*store), authority_);
    world.run();
    return {std::move(world.trace), std::move(world.wrong), world.events};
  }

 private:
  std::string template_path() const { return (folder_.path() / "template.db").string(); }
  Folder folder_;
  server::Authority authority_;
};

struct Wanted {
  std::uint64_t first = 1, seeds = 100;
  bool show = false;
};

bool parse(int count, char** words, Wanted& wanted) {
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string word = words[i];
    const auto number = std::strtoull(words[i + 1], nullptr, 10);
    if (word == "--seeds") wanted.seeds = number;
    else if (word == "--first") wanted.first = number;
    else if (word == "--seed") wanted = {number, 1, true};
    else return false;
  }
  return count % 2 == 1 && wanted.seeds > 0;
}

void show(std::uint64_t seed, const Simulator::Course& course) {
  for (const auto& line : course.trace) std::fprintf(stderr, "%s\n", line.c_str());
  for (const auto& what : course.wrong)
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
}

int simulate(const Wanted& wanted) {
  Simulator simulator;
  const auto begun = std::chrono::steady_clock::now();
  std::uint64_t events = 0, failed = 0;
  for (auto seed = wanted.first; seed < wanted.first + wanted.seeds; ++seed) {
    const auto course = simulator.run(seed);
    events += course.events;
    // What cannot be replayed cannot be mended: every hundredth seed is run twice.
    const bool strays = seed % 100 == 1 && simulator.run(seed).trace != course.trace;
    if (wanted.show || !course.wrong.empty()) show(seed, course);
    if (strays)
      std::fprintf(stderr, "seed %llu: goes another way the second time\n", static_cast<unsigned long long>(seed));
    if (course.wrong.empty() && !strays) continue;
    std::fprintf(stderr, "again: make sim SEED=%llu\n", static_cast<unsigned long long>(seed));
    if (++failed == kFailuresShown) break;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%llu seeds, %llu events in %.1f s, %llu failed\n", static_cast<unsigned long long>(wanted.seeds),
              static_cast<unsigned long long>(events), took.count(), static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace belay::sim

int main(int count, char** words) {
  belay::sim::Wanted wanted;
  if (!belay::sim::parse(count, words, wanted)) {
    std::fprintf(stderr, "usage: belay-sim [--seeds N] [--first N] [--seed N]\n");
    return 2;
  }
  // Large blocks come and go with every journal's reserve: they are not to be fetched from the kernel each time.
  ::mallopt(M_MMAP_THRESHOLD, 256 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 512 << 20);
  // Kills and full disks are the daily bread here: what is logged of them is shown with one seed only.
  using belay::log::Level;
  belay::log::set_level(wanted.show ? Level::warning : static_cast<Level>(static_cast<int>(Level::error) + 1));
  return belay::sim::simulate(wanted);
}
