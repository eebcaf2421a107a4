#pragma once
// The package lists apt fetched: which there are, what is wrong with them, and the records of wanted packages.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/packages/apt/layout.hpp"
#include "agent/packages/apt/preferences.hpp"
#include "agent/packages/apt/release_file.hpp"
#include "agent/packages/apt/sources.hpp"
#include "agent/packages/package_manager.hpp"

namespace belay::agent::apt {

struct Index {
  std::string path;  // on disk
  std::string component;
  int priority = 500;  // of the whole source
};

struct Repository {
  Source source;
  Release release;
  std::string site;
  bool trusted = false;   // signed and checked by apt, or said to be trusted by the administrator
  bool security = false;  // facts: trusted, and a security archive by suite, codename, label or site
  std::vector<Index> indexes;
};

struct Lists {
  std::vector<Repository> repositories;
  Preferences preferences;
  std::vector<RepositoryState> states;
  std::vector<fleet::Problem> problems;
};

// Reads sources, preferences and Release files, and finds the lists that belong to them. What is missing, expired,
// stale, unsigned or from the future is a problem by name.
Lists read_lists(const io::Files& files, const Layout& layout, Instant now);

// One record of a Packages file; views live during the visit.
struct Record {
  std::string_view name, arch, version, section, priority, sha256, source;
  std::uint64_t size_bytes = 0, installed_bytes = 0;
  int phased_percentage = 100;
  const Repository* repository = nullptr;
  const Index* index = nullptr;
};

// Visits every record whose name is wanted, list by list. Where a list cannot be read the others still are, and the
// problem is added to `lists.problems`.
void for_each_record(Lists& lists, const std::function<bool(std::string_view name)>& wanted,
                     const std::function<void(const Record&)>& visit);

}  // namespace belay::agent::apt
