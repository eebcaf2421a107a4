#pragma once
// A disk in memory that behaves like the real one (io/files_test.cpp runs one suite over both) and can fail on demand:
//
//   MemoryFiles disk;
//   disk.put("/etc/os-release", "ID=debian\n");      // with its directories, no fault applies
//   disk.kill_at(3, MemoryFiles::Kill::before);      // the third change from now throws Killed
//   try { runner.run(); } catch (const Killed&) { disk.power_cut(); }
//   Runner(disk).resume();
//
// A "change" is one call of a writing member: write_durable, append_durable, rename_durable, exchange_durable, remove,
// remove_tree, make_directories. May be used from any thread.
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/files.hpp"
#include "tests/fakes/killed.hpp"

namespace belay::fakes {

class MemoryFiles final : public io::Files {
 public:
  enum class Kill {
    before,  // nothing of the change happened
    after,   // all of it happened, the caller never learns
    torn,    // half of an append reached the disk; of any other change nothing
  };

  explicit MemoryFiles(const Clock* clock = nullptr) : clock_(clock) {}  // for `modified`; else the epoch

  // Test set-up: not counted, never failing, durable.
  void put(const std::string& path, std::string content, std::uint32_t mode = 0644);
  void put_link(const std::string& path, std::string target);
  // Written by somebody who does not fsync: gone after power_cut().
  void put_unsynced(const std::string& path, std::string content);

  // The n-th change from now (1 is the next) throws Killed; every later one too, until power_cut() or restart().
  void kill_at(int change, Kill kind);
  // The n-th change from now fails with this error and no effect; later ones work again.
  void fail_at(int change, Error error = Error(Code::unavailable, "input/output error", "disk-error"));
  // Bytes that still fit; writes beyond fail with reason "disk-full". nullopt: no limit.
  void set_bytes_free(std::optional<std::uint64_t> bytes);
  void set_space(io::Space space);  // what space() says where there is no limit
  void set_space_of(const std::string& path, std::optional<io::Space> space);  // of one path; nullopt: it is not there
  // Each read of this path fails so.
  void fail_reads_of(const std::string& path, Error error);

  // Changes of files whose path ends so are not counted and never kill: a destructor may make them.
  void spare(std::string ending);

  void power_cut();  // what was not durable is lost; the disk works again
  void restart();    // the process died, the machine did not: all is kept; the disk works again

  std::vector<std::string> changes() const;  // "write_durable /a", in order, those killed or failed included
  int change_count() const;
  std::map<std::string, std::string> content() const;  // every file

  Result<std::string> read(const std::string& path, std::size_t bytes_max) const override;
  Status write_durable(const std::string& path, std::string_view content, std::uint32_t mode) override;
  Status append_durable(const std::string& path, std::string_view content, std::uint32_t mode) override;
  Status rename_durable(const std::string& from, const std::string& to) override;
  Status exchange_durable(const std::string& one, const std::string& other) override;
  Status remove(const std::string& path) override;
  Status remove_tree(const std::string& path) override;  // not durable: power_cut() brings it back
  Status make_directories(const std::string& path, std::uint32_t mode) override;
  Result<std::vector<std::string>> list(const std::string& path) const override;
  Result<io::FileInfo> info(const std::string& path) const override;
  Result<std::string> read_link(const std::string& path) const override;
  Result<io::Space> space(const std::string& path) const override;

 private:
  struct Node {
    io::FileInfo::Kind kind = io::FileInfo::Kind::file;
    std::string content;  // of a symlink: its target
    std::uint32_t mode = 0644;
    Instant modified{};
  };
  using Tree = std::map<std::string, Node>;

  // Counts, and fails or kills where it was asked to. `apply` changes a tree and runs on the durable one as well.
  template <typename Apply>
  Status change(const std::string& what, bool durable, Apply apply);
  Node make_node(io::FileInfo::Kind kind, std::string content, std::uint32_t mode) const;
  Status check_room(const std::string& path, std::size_t bytes_new) const;
  const Node* find(const std::string& path) const;
  const Node* follow(std::string path) const;
  Status check_parent(const std::string& path) const;
  static void add_parents(Tree& tree, const std::string& path, const Node& directory);

  mutable std::mutex mutex_;
  const Clock* clock_;
  Tree now_, durable_;
  std::vector<std::string> changes_;
  std::optional<int> kill_at_, fail_at_;
  Kill kill_ = Kill::before;
  Error failure_{Code::unavailable, ""};
  bool dead_ = false;
  std::string spared_;
  std::optional<std::uint64_t> bytes_free_;
  io::Space space_{100ull << 30, 50ull << 30, 1'000'000};
  std::map<std::string, std::optional<io::Space>> spaces_;
  std::map<std::string, Error> read_failures_;
};

}  // namespace belay::fakes
