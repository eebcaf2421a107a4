#include "agent/packages/apt/scan.hpp"

#include <algorithm>
#include <unordered_map>

#include "agent/packages/problems.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent::apt {
namespace {

using fleet::Reason;

constexpr std::size_t kOffersMax = 100'000;
constexpr std::size_t kJournalFilesMax = 10'000;

// One version of an installed package in one list, until apt's choice among them is known.
struct Candidate {
  fleet::Offer offer;
  int priority = 0;
  int phased_percentage = 100;
  bool has_its_turn = true;
};

struct Choice {
  const DpkgPackage* package = nullptr;
  std::vector<Candidate> candidates;  // the installed version and newer ones
};

class Scanner {
 public:
  Scanner(Database database, Lists lists) : database_(std::move(database)), lists_(std::move(lists)) {
    native_ = native_architecture(database_.packages);
    for (const auto& package : database_.packages) choices_[package.name].push_back({&package, {}});
  }

  ScanResult run() {
    for_each_record(
        lists_, [&](std::string_view name) { return choices_.contains(name); },
        [&](const Record& record) { add(record); });
    result_.installed = package_set_of(database_.packages);
    for (const auto& package : database_.packages) {
      if (package.held) result_.held.push_back(package.name);
      if (database_.automatic.contains({package.name, apt_architecture(package.arch)}))
        result_.automatic.push_back(package.name);
    }
    result_.repositories = lists_.states;
    for (const auto& package : database_.packages)
      for (auto& choice : choices_[package.name])
        if (choice.package == &package) offer(choice);
    std::ranges::sort(result_.offers.offers, [](const auto& a, const auto& b) {
      if (const auto order = std::tie(a.name, a.arch) <=> std::tie(b.name, b.arch); order != 0) return order < 0;
      return version::compare_deb(a.version, b.version) < 0;
    });
    add_problems(result_.problems, std::move(lists_.problems));
    add_problems(result_.problems, health_of(database_.packages, database_.journal_pending));
    return std::move(result_);
  }

 private:
  // apt takes "all" for the system's own architecture; a package may change between the two.
  std::string apt_architecture(std::string_view arch) const { return std::string(arch == "all" ? native_ : arch); }

  void add(const Record& record) {
    const auto found = choices_.find(record.name);
    if (found == choices_.end()) return;
    for (auto& choice : found->second) {
      if (apt_architecture(choice.package->arch) != apt_architecture(record.arch)) continue;
      if (version::compare_deb(record.version, choice.package->version) < 0) continue;
      const auto& repository = *record.repository;
      const int priority =
          version_priority(lists_.preferences, record.name, record.version,
                           {repository.release, repository.site, record.index->component}, record.index->priority);
      const bool turn = has_its_turn(lists_.preferences.phasing, record.name, record.version, record.source,
                                     record.phased_percentage);
      choice.candidates.push_back({offer_of(record), priority, record.phased_percentage, turn});
    }
  }

  static fleet::Offer offer_of(const Record& record) {
    const auto& repository = *record.repository;
    fleet::Offer offer;
    offer.name = record.name;
    offer.arch = record.arch;
    offer.version = record.version;
    offer.origin = repository.release.origin;
    offer.label = repository.release.label;
    offer.suite = repository.release.suite;
    offer.codename = repository.release.codename;
    offer.component = record.index->component;
    offer.site = repository.site;
    offer.section = sanitize(record.section, 100);
    offer.priority = sanitize(record.priority, 100);
    offer.size_bytes = record.size_bytes;
    offer.installed_bytes = record.installed_bytes;
    if (record.sha256.size() == 64 && is_plain_word(record.sha256, 64)) offer.sha256 = to_lower(record.sha256);
    offer.security = repository.security;
    return offer;
  }

  // Apt chooses the highest priority and, among equals, the highest version; the installed one has at least 100.
  // Versions below that priority are never chosen and are no offer: backports of a stable package, say.
  void offer(Choice& choice) {
    int best = 100;
    for (const auto& candidate : choice.candidates) best = std::max(best, candidate.priority);
    std::ranges::sort(choice.candidates, [](const auto& a, const auto& b) {
      if (const auto order = version::compare_deb(a.offer.version, b.offer.version); order != 0) return order < 0;
      if (a.offer.security != b.offer.security) return a.offer.security;
      return a.priority > b.priority;
    });
    const std::string* last = nullptr;
    bool mends_security = false;  // apt lets nobody wait for a version at or above a security update
    for (auto& candidate : choice.candidates) {
      if (last && *last == candidate.offer.version) continue;  // the same version in a second list
      const bool installed = candidate.offer.version == choice.package->version;
      const int priority = best_priority_of(choice, candidate.offer.version);
      if (!installed && (priority < best || priority <= 0)) {
        note_pinned(*choice.package, candidate);
        continue;
      }
      mends_security |= !installed && candidate.offer.security;
      if (!installed && !candidate.has_its_turn && !mends_security) {
        note_phased(*choice.package, candidate);
        continue;
      }
      note(*choice.package, candidate, installed);
      if (result_.offers.offers.size() < kOffersMax) result_.offers.offers.push_back(candidate.offer);
      last = &candidate.offer.version;
    }
  }

  static int best_priority_of(const Choice& choice, const std::string& version) {
    int best = -32768;
    for (const auto& candidate : choice.candidates)
      if (candidate.offer.version == version) best = std::max(best, candidate.priority);
    return best;
  }

  void note_pinned(const DpkgPackage& package, const Candidate& candidate) {
    if (!candidate.offer.security) return;
    // Where the subscription is absent, Ubuntu's own pins keep these back.
    const bool subscription = candidate.offer.origin.starts_with("UbuntuESM");
    add_problem(result_.problems,
                make_problem(Reason::package_held, package.name,
                             "the security update " + candidate.offer.version + " is kept back by a pin (priority " +
                                 std::to_string(candidate.priority) + ")",
                             subscription ? "attach the machine to Ubuntu Pro ('pro attach'), or accept the risk"
                                          : "remove the pin in /etc/apt/preferences.d, or accept the risk"));
  }

  void note(const DpkgPackage& package, const Candidate& candidate, bool installed) {
    if (installed) return;
    if (package.held)
      add_problem(result_.problems,
                  make_problem(Reason::package_held, package.name,
                               "version " + candidate.offer.version + " is offered, the package is on hold",
                               "run 'apt-mark unhold " + package.name + "' when it may change"));
  }

  void note_phased(const DpkgPackage& package, const Candidate& candidate) {
    add_problem(result_.problems,
                make_problem(Reason::phased_update, package.name,
                             "version " + candidate.offer.version +
                                 " is phased in: " + std::to_string(candidate.phased_percentage) +
                                 " % of machines get it so far, and this one is not among them",
                             "wait for the archive; Belay and apt keep the package as it is until then"));
  }

  Database database_;
  Lists lists_;
  std::string native_;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::vector<Choice>, Hash, std::equal_to<>> choices_;
  ScanResult result_;
};

bool is_journal_name(const std::string& name) {
  return !name.empty() && name.size() < 20 && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<Database> read_database(const io::Files& files, const Layout& layout) {
  Database database;
  const std::string directory = layout.on_disk(layout.dpkg_directory);
  auto status = files.read(directory + "/status", kStatusBytesMax);
  if (!status.ok()) return Error(status.error().code(), status.error().chain(), "database-unreadable");
  std::vector<std::string> journal;
  if (const auto names = files.list(directory + "/updates"); names.ok())
    for (const auto& name : *names)
      if (is_journal_name(name) && journal.size() < kJournalFilesMax) {
        database.journal_pending = true;
        BELAY_TRY_ASSIGN(auto text, files.read(directory + "/updates/" + name, 16 << 20));
        journal.push_back(std::move(text));
      }
  BELAY_TRY_ASSIGN(
      database.packages,
      parse_dpkg_status(*status, journal).within("cannot read dpkg's database " + layout.dpkg_directory + "/status"));
  if (const auto states = files.read(layout.on_disk(layout.state_directory) + "/extended_states", kStatusBytesMax);
      states.ok())
    database.automatic = parse_extended_states(*states);
  return database;
}

Result<ScanResult> scan(const io::Files& files, const Layout& layout, Instant now) {
  BELAY_TRY_ASSIGN(auto database, read_database(files, layout));
  return Scanner(std::move(database), read_lists(files, layout, now)).run();
}

std::map<Wanted, PackageFile> find_package_files(const io::Files& files, const Layout& layout, Instant now,
                                                 const std::set<Wanted>& wanted) {
  std::map<Wanted, PackageFile> found;
  std::set<std::string, std::less<>> names;
  for (const auto& want : wanted) names.insert(want.name);
  auto lists = read_lists(files, layout, now);
  for_each_record(
      lists, [&](std::string_view name) { return names.contains(name); },
      [&](const Record& record) {
        const PackageFile file{to_lower(record.sha256), record.size_bytes, record.installed_bytes};
        for (const auto& arch :
             {std::string(record.arch), std::string()}) {  // an order may leave the architecture open
          const Wanted key{std::string(record.name), arch, std::string(record.version)};
          if (wanted.contains(key)) found.emplace(key, file);
        }
      });
  return found;
}

}  // namespace belay::agent::apt
