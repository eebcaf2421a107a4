#pragma once
// The changelogs inside package files: fetched through apt, so that only what it verifies is read, once for each source
// version; what was read is kept as JSON, the package files are not.
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/packages/apt/changelog.hpp"
#include "agent/packages/package_manager.hpp"

namespace belay::agent::apt {

struct Layout;

inline constexpr std::uint64_t kChangelogFileBytesMax = 16u << 20;   // of one package file
inline constexpr std::uint64_t kChangelogFetchBytesMax = 64u << 20;  // of one read()
inline constexpr Duration kChangelogFailureKept{std::chrono::hours(24)};

// A changelog as it is kept on disk.
struct KnownChangelog {
  int format = 1;
  std::string source, version;
  Instant read_at{};
  std::string failure;  // why there are no entries; looked for again after kChangelogFailureKept
  std::vector<ChangelogEntry> entries;
};
BOOST_DESCRIBE_STRUCT(KnownChangelog, (), (format, source, version, read_at, failure, entries))

struct SourceVersion {
  std::string source, version;
  auto operator<=>(const SourceVersion&) const = default;
};

// A package file that has the changelog of a source version.
struct ChangelogFile {
  std::string name, arch, version;
  std::uint64_t size_bytes = 0;
};

class ChangelogReader {
 public:
  struct Places {
    std::string root;       // prefix of what is read and written directly
    std::string directory;  // of what is kept, as commands see it
  };
  // `apt_get`: the command with the options that name lists and cache.
  ChangelogReader(const Host& host, Places places, std::vector<std::string> apt_get);

  // From the disk alone; nullopt: never read, or a failure that is too old to count.
  std::optional<KnownChangelog> known(const SourceVersion& key) const;

  // Fetches and keeps what is wanted, the smallest first; of each, its files are tried smallest first, three at most.
  // Says why for what is not known after it. An error: nothing could be fetched at all, which is not remembered.
  Result<std::map<SourceVersion, std::string>> read(std::map<SourceVersion, std::vector<ChangelogFile>> wanted,
                                                    Duration timeout);

 private:
  struct Job {
    SourceVersion key;
    std::vector<ChangelogFile> files;
    std::string failure;
    bool done = false;
  };
  std::string on_disk(const std::string& path) const { return places_.root + path; }
  std::string path_of(const SourceVersion& key) const;
  Result<std::uint64_t> fetch(const std::vector<const ChangelogFile*>& files, const std::string& directory);
  // One round: the file number `round` of every job that is not done.
  Status read_round(std::vector<Job>& jobs, std::size_t round, const std::string& directory);
  void read_job(Job& job, const ChangelogFile& file, const std::string& directory,
                const std::vector<std::string>& names);
  Result<std::string> changelog_of(const std::string& package_file);
  Status keep(const Job& job, std::vector<ChangelogEntry> entries);
  void remove_leftovers();
  Duration time_left() const { return deadline_ - host_.clock.monotonic(); }

  Host host_;
  Places places_;
  std::vector<std::string> apt_get_;
  Duration deadline_{};
  std::uint64_t bytes_left_ = 0;
  bool anything_fetched_ = false;
};

// Fills severity, advisories, CVEs and dates of security offers. With a timeout of zero only what is kept already.
// What stays empty is counted in one problem that blocks nothing.
Status describe_updates(const Host& host, const Layout& layout, std::vector<std::string> apt_get, ScanResult& scan,
                        Duration timeout);

}  // namespace belay::agent::apt
