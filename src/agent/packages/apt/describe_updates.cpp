// Which security offers there are to describe, and what their changelogs say put into them.
#include <algorithm>

#include "agent/packages/apt/changelog_reader.hpp"
#include "agent/packages/apt/scan.hpp"
#include "agent/packages/problems.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent::apt {
namespace {

constexpr std::size_t kNamesTold = 5;

struct Subject {
  fleet::Offer* offer = nullptr;
  std::string source_version;
  std::optional<BuiltVersion> installed;  // nullopt: the offer is the installed version
};

struct Group {
  std::vector<Subject> subjects;
  std::vector<ChangelogFile> files;
  bool wanted = false;  // one at least is an update
};

using Groups = std::map<SourceVersion, Group>;

// "brotli (1.0.9-2)", "brotli" or "": a package built under its source's name and version leaves both away.
SourceVersion source_of(std::string_view field, std::string_view name, std::string_view version) {
  const auto open = field.find('(');
  const auto source = trim(field.substr(0, open));
  SourceVersion found{std::string(source.empty() ? name : source), std::string(version)};
  if (open == std::string_view::npos) return found;
  const auto close = field.find(')', open);
  if (close != std::string_view::npos) found.version = trim(field.substr(open + 1, close - open - 1));
  return found;
}

const DpkgPackage* installed_of(const DpkgPackages& packages, const fleet::Offer& offer) {
  if (const auto* same = find_package(packages, offer.name, offer.arch)) return same;
  return find_package(packages, offer.name, "");  // from or to "all"
}

class Describer {
 public:
  Describer(const DpkgPackages& packages, ScanResult& scan) : packages_(packages), scan_(scan) {
    for (auto& offer : scan.offers.offers)
      if (offer.security && installed_of(packages, offer))
        subjects_[{offer.name, offer.arch, offer.version}] = &offer, names_.insert(offer.name);
  }
  bool nothing_to_do() const { return subjects_.empty(); }

  void find_sources(Lists lists) {
    std::erase_if(lists.repositories, [](const auto& repository) { return !repository.security; });
    for_each_record(
        lists, [&](std::string_view name) { return names_.contains(name); },
        [&](const Record& record) { add(record); });
  }

  void add(const Record& record) {
    const auto found =
        subjects_.find({std::string(record.name), std::string(record.arch), std::string(record.version)});
    if (found == subjects_.end() || !found->second) return;
    auto* offer = std::exchange(found->second, nullptr);  // the same record of a second list adds nothing
    const auto key = source_of(record.source, record.name, record.version);
    const auto* package = installed_of(packages_, *offer);
    auto& group = groups_[key];
    Subject subject{offer, key.version, std::nullopt};
    if (version::compare_deb(offer->version, package->version) > 0) {
      subject.installed =
          BuiltVersion{package->version, source_of(package->source, package->name, package->version).version};
      group.wanted = true;
    }
    group.subjects.push_back(std::move(subject));
    group.files.push_back({offer->name, offer->arch, offer->version, offer->size_bytes});
  }

  Status read_missing(ChangelogReader& reader, Duration timeout) {
    std::map<SourceVersion, std::vector<ChangelogFile>> wanted;
    for (const auto& [key, group] : groups_)
      if (group.wanted && !reader.known(key)) wanted[key] = group.files;
    if (wanted.empty()) return {};
    if (timeout <= Duration::zero()) {
      for (const auto& [key, files] : wanted) failures_[key] = "not read yet, a scan that refreshes does it";
      return {};
    }
    auto failures = reader.read(wanted, timeout);
    if (failures.ok()) failures_ = std::move(*failures);
    else
      for (const auto& [key, files] : wanted) failures_[key] = sanitize(failures.error().chain(), 300);
    return {};
  }

  void fill(const ChangelogReader& reader, Instant now) {
    for (auto& [key, group] : groups_) {
      const auto known = reader.known(key);
      std::size_t updates = 0, empty = 0;
      for (auto& subject : group.subjects) {
        updates += subject.installed ? 1 : 0;
        const auto notes =
            known ? notes_of(known->entries, {subject.offer->version, subject.source_version}, subject.installed, now)
                  : std::nullopt;
        if (!notes) empty += subject.installed ? 1 : 0;
        else put(*notes, *subject.offer);
      }
      updates_ += updates;
      if (empty == 0) continue;
      empty_ += empty;
      const auto failure = failures_.find(key);
      reasons_[failure != failures_.end()         ? failure->second
               : known && !known->failure.empty() ? known->failure
                                                  : "its changelog has nothing newer"]
          .push_back(key.source);
    }
  }

  void report() {
    if (empty_ == 0) return;
    std::string detail = std::to_string(empty_) + " of " + std::to_string(updates_) +
                         " security updates are shown without severity, identifiers and date: ";
    std::string separator;
    for (const auto& [why, sources] : reasons_) {
      std::vector<std::string> told(
          sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(std::min(sources.size(), kNamesTold)));
      if (sources.size() > kNamesTold) told.push_back("…");
      detail += separator + why + " (" + join(told, ", ") + ")";
      separator = "; ";
    }
    add_problem(scan_.problems, make_problem(fleet::Reason::metadata_missing, "changelogs", detail,
                                             "read the distribution's notices for these packages", false));
  }

 private:
  static void put(const UpdateNotes& notes, fleet::Offer& offer) {
    offer.severity = notes.severity;
    offer.cve_ids = notes.cve_ids;
    offer.advisory_ids = notes.advisory_ids;
    offer.released_at = notes.released_at;
  }

  const DpkgPackages& packages_;
  ScanResult& scan_;
  std::map<Wanted, fleet::Offer*> subjects_;
  std::set<std::string, std::less<>> names_;
  Groups groups_;
  std::map<SourceVersion, std::string> failures_;
  std::map<std::string, std::vector<std::string>> reasons_;
  std::size_t updates_ = 0, empty_ = 0;
};

}  // namespace

Status describe_updates(const Host& host, const Layout& layout, std::vector<std::string> apt_get, ScanResult& scan,
                        Duration timeout) {
  BELAY_TRY_ASSIGN(const auto database, read_database(host.files, layout));
  Describer describer(database.packages, scan);
  if (describer.nothing_to_do()) return {};
  describer.find_sources(read_lists(host.files, layout, host.clock.now()));
  ChangelogReader reader(host, {layout.root, layout.changelog_directory()}, std::move(apt_get));
  BELAY_TRY(describer.read_missing(reader, timeout));
  describer.fill(reader, host.clock.now());
  describer.report();
  return {};
}

}  // namespace belay::agent::apt
