// The store on SQLite beside the store on PostgreSQL: the same calls, the same durability (every commit is on disk
// before it is acknowledged), in one run. `bench_store [nodes]`.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "io/crypto.hpp"
#include "store/audit.hpp"
#include "store/nodes.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/private_postgres_test.hpp"
#include "store/scans.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace belay::bench {
namespace {

using namespace belay::store;
using Steady = std::chrono::steady_clock;

const Instant kStart = from_unix_ms(1'790'000'000'000);

Seams seams() {
  return {io::sha256_hex, [](std::string_view clear) { return std::string(clear); },
          [](std::string_view sealed) -> Result<std::string> { return std::string(sealed); }};
}

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error().chain().c_str());
  std::exit(1);
}

std::string node_id(std::size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "mi-%017zx", number);
  return text;
}

nodes::Node made_node(std::size_t number) {
  nodes::Node node;
  node.node_id = node_id(number);
  node.name = "host-" + std::to_string(number);
  node.operating_system = "DEBIAN";
  node.registered_at = node.last_seen_at.emplace(kStart);
  node.facts.computer_name = node.name + ".example.org";
  node.facts.os_name = "Debian GNU/Linux 12 (bookworm)";
  for (int i = 0; i < 12; ++i)
    node.facts.mounts.push_back(
        {"/srv/volume" + std::to_string(i), "/dev/mapper/vg-volume" + std::to_string(i), "ext4", 1u << 30, 1u << 29});
  for (int i = 0; i < 40; ++i) node.facts.services.push_back({"service-" + std::to_string(i) + ".service", "active"});
  return node;
}

double seconds(const std::function<void()>& work) {
  const auto begun = Steady::now();
  work();
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

// The figure below which this share of them lies, in milliseconds.
double percentile_ms(std::vector<double> times_s, double share) {
  std::ranges::sort(times_s);
  return 1'000 *
         times_s[std::min(times_s.size() - 1, static_cast<std::size_t>(share * static_cast<double>(times_s.size())))];
}

std::vector<double> times_of(int count, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) times.push_back(seconds(work));
  return times;
}

struct Figures {
  double enrol_per_s = 0, read_p50_ms = 0, read_p99_ms = 0, loaded_p99_ms = 0, page_p99_ms = 0, beats_per_s = 0;
  double one_writer_per_s = 0, many_writers_per_s = 0;
};

void enrol(Store& store, std::size_t count) {
  constexpr std::size_t kBatch = 500;
  for (std::size_t first = 0; first < count; first += kBatch)
    must(store.write([&](Sql& sql) -> Status {
      for (std::size_t i = first; i < std::min(first + kBatch, count); ++i) BELAY_TRY(nodes::create(sql, made_node(i)));
      return {};
    }));
}

void beat(Store& store, std::size_t count, std::size_t first, int round) {
  std::vector<nodes::Touch> touches;
  for (std::size_t i = 0; i < 1'000; ++i)
    touches.push_back({node_id((first + i) % count), kStart + Duration(round * 1'000)});
  must(store.write([&](Sql& sql) { return nodes::touch_many(sql, touches); }));
}

// A scan report with its audit entry: what a node's message costs.
void report(Store& store, std::size_t count, std::uint64_t number) {
  scans::Scan scan;
  scan.scan_id = "scan-" + std::to_string(number);
  scan.node_id = node_id(number % count);
  scan.observed_at = scan.received_at = kStart + Duration(number);
  must(store.write([&](Sql& sql) -> Status {
    BELAY_TRY(scans::add(sql, scan));
    return audit::append(
        sql, {.at = scan.received_at, .actor = scan.node_id, .action = "node:scan", .resource = scan.scan_id});
  }));
}

double writes_per_s(Store& store, std::size_t count, int threads, int each, std::uint64_t& numbers) {
  const std::uint64_t base = numbers;
  numbers += static_cast<std::uint64_t>(threads * each);
  const double took = seconds([&] {
    std::vector<std::thread> writers;
    for (int t = 0; t < threads; ++t)
      writers.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) report(store, count, base + static_cast<std::uint64_t>(t * each + i));
      });
    for (auto& writer : writers) writer.join();
  });
  return threads * each / took;
}

Figures measure(Store& store, std::size_t count) {
  Figures found;
  std::mt19937_64 random(1);
  std::uint64_t numbers = 0;
  const auto read_one = [&] {
    const std::string id = node_id(random() % count);
    const auto node = store.read([&](Sql& sql) { return nodes::get(sql, id); });
    must(node.ok() ? Status() : Status(node.error()));
  };
  const auto read_page = [&] {
    nodes::NodeFilter filter;
    filter.operating_systems = {"DEBIAN"};
    const Page page{.limit = 50, .after = node_id(random() % count)};
    const auto listed = store.read([&](Sql& sql) { return nodes::list(sql, filter, page); });
    must(listed.ok() ? Status() : Status(listed.error()));
  };
  found.enrol_per_s = static_cast<double>(count) / seconds([&] { enrol(store, count); });
  times_of(1'000, read_one);
  const auto quiet = times_of(20'000, read_one);
  found.read_p50_ms = percentile_ms(quiet, 0.5);
  found.read_p99_ms = percentile_ms(quiet, 0.99);
  found.page_p99_ms = percentile_ms(times_of(1'000, read_page), 0.99);
  constexpr int kBatches = 40;
  found.beats_per_s = kBatches * 1'000 / seconds([&] {
                        for (int i = 0; i < kBatches; ++i)
                          beat(store, count, static_cast<std::size_t>(i) * 1'000, 1 + i);
                      });
  found.one_writer_per_s = writes_per_s(store, count, 1, 400, numbers);
  found.many_writers_per_s = writes_per_s(store, count, 16, 60, numbers);

  std::atomic<bool> stop = false;
  std::thread load([&] {
    for (int i = 100; !stop; ++i) beat(store, count, static_cast<std::size_t>(i) * 1'000, i);
  });
  found.loaded_p99_ms = percentile_ms(times_of(10'000, read_one), 0.99);
  stop = true;
  load.join();
  return found;
}

void print(const Figures& lite, const Figures* post) {
  const auto line = [&](const char* what, double Figures::* figure, const char* unit, bool more_is_better) {
    std::printf("%-58s %10.3f", what, lite.*figure);
    if (post)
      std::printf(" %10.3f %9.1f x", post->*figure,
                  more_is_better ? lite.*figure / (post->*figure) : post->*figure / (lite.*figure));
    std::printf("  %s\n", unit);
  };
  std::printf("%-58s %10s%s\n", "", "SQLite", post ? " PostgreSQL SQLite is" : "");
  line("nodes enrolled, 500 in a transaction", &Figures::enrol_per_s, "per s", true);
  line("read of one node, median", &Figures::read_p50_ms, "ms", false);
  line("read of one node, p99 (design: under 20)", &Figures::read_p99_ms, "ms", false);
  line("read of one node while heartbeats are written, p99", &Figures::loaded_p99_ms, "ms", false);
  line("page of 50 nodes through a filter, p99 (design: under 20)", &Figures::page_p99_ms, "ms", false);
  line("heartbeats, 1,000 in a transaction (design: 3,300)", &Figures::beats_per_s, "per s", true);
  line("audited scan reports, one writer", &Figures::one_writer_per_s, "per s", true);
  line("audited scan reports, 16 writers", &Figures::many_writers_per_s, "per s", true);
}

int run(std::size_t count) {
  std::string pattern = (std::filesystem::temp_directory_path() / "belay-bench-store-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  Figures lite, post;
  {
    auto opened = sqlite::open(pattern + "/belay.db", seams());
    must(opened.ok() ? Status() : Status(opened.error()));
    lite = measure(**opened, count);
  }
  std::filesystem::remove_all(pattern);
  store::PrivatePostgres server(true);
  const std::string place = server.why_not().empty() ? server.new_database() : std::string();
  std::printf("%zu nodes; every commit is on disk before it is acknowledged\n", count);
  if (place.empty()) {
    print(lite, nullptr);
    std::printf("SKIPPED beside PostgreSQL: %s\n", server.why_not().c_str());
    return 0;
  }
  auto opened = postgres::open(place, seams());
  must(opened.ok() ? Status() : Status(opened.error()));
  post = measure(**opened, count);
  opened->reset();
  print(lite, &post);
  return 0;
}

}  // namespace
}  // namespace belay::bench

int main(int argc, char** argv) { return belay::bench::run(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20'000); }
