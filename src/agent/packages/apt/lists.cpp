#include "agent/packages/apt/lists.hpp"

#include <algorithm>

#include "agent/packages/apt/control_file.hpp"
#include "agent/packages/apt/index_file.hpp"
#include "agent/packages/problems.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

constexpr std::size_t kConfigurationBytesMax = 1 << 20;
constexpr std::size_t kReleaseBytesMax = 32 << 20;
constexpr Duration kClockSlack{std::chrono::hours(24)};

using fleet::Reason;

std::string read_or_empty(const io::Files& files, const std::string& path,
                          std::size_t bytes_max = kConfigurationBytesMax) {
  auto text = files.read(path, bytes_max);
  return text.ok() ? std::move(*text) : std::string();
}

// The files of a configuration directory that apt reads: letters, digits, hyphen, underscore and period in the name.
void for_each_part(const io::Files& files, const std::string& directory, std::string_view ending,
                   const std::function<void(const std::string& path)>& visit) {
  const auto names = files.list(directory);
  if (!names.ok()) return;
  for (const auto& name : *names) {
    const bool fit = std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    });
    const bool no_ending = name.find('.') == std::string::npos;
    if (fit && (name.ends_with(ending) || (no_ending && ending != ".list" && ending != ".sources")))
      visit(directory + "/" + name);
  }
}

std::vector<Source> read_sources(const io::Files& files, const Layout& layout) {
  const std::string etc = layout.on_disk(layout.configuration_directory);
  auto sources = parse_one_line_sources(read_or_empty(files, etc + "/sources.list"), "sources.list");
  const auto add = [&](std::vector<Source> more) { std::ranges::move(more, std::back_inserter(sources)); };
  for_each_part(files, etc + "/sources.list.d", ".list", [&](const auto& path) {
    add(parse_one_line_sources(read_or_empty(files, path), path.substr(layout.root.size())));
  });
  for_each_part(files, etc + "/sources.list.d", ".sources", [&](const auto& path) {
    add(parse_deb822_sources(read_or_empty(files, path), path.substr(layout.root.size())));
  });
  return sources;
}

Preferences read_preferences(const io::Files& files, const Layout& layout) {
  const std::string etc = layout.on_disk(layout.configuration_directory);
  Preferences preferences;
  for_each_part(files, etc + "/preferences.d", ".pref", [&](const auto& path) {
    parse_preferences(read_or_empty(files, path), path.substr(layout.root.size()), preferences);
  });
  parse_preferences(read_or_empty(files, etc + "/preferences"), layout.configuration_directory + "/preferences",
                    preferences);
  for_each_part(files, etc + "/apt.conf.d", ".conf",
                [&](const auto& path) { parse_apt_conf(read_or_empty(files, path), preferences); });
  parse_apt_conf(read_or_empty(files, etc + "/apt.conf"), preferences);
  read_machine_id(files, layout, preferences.phasing);
  return preferences;
}

// When lists were last fetched. apt gives a list the server's own time, so the directories and the stamps tell it.
std::optional<Instant> fetched_at(const io::Files& files, const Layout& layout) {
  std::optional<Instant> newest;
  for (const auto& path :
       {layout.lists_directory + "/partial", layout.lists_directory, layout.cache_directory + "/belay-refreshed",
        layout.state_directory + "/periodic/update-success-stamp"}) {
    if (layout.own_lists && path.starts_with(layout.state_directory + "/periodic")) continue;
    const auto info = files.info(layout.on_disk(path));
    if (info.ok() && (!newest || info->modified > *newest)) newest = info->modified;
  }
  return newest;
}

bool names_security(const Repository& repository) {
  const auto& release = repository.release;
  return release.suite.find("security") != std::string::npos ||
         release.codename.find("security") != std::string::npos || release.label == "Debian-Security" ||
         repository.site.find("security.debian.org") != std::string::npos;
}

std::string_view without_compression(std::string_view name) {
  for (const std::string_view ending : {".lz4", ".xz", ".gz", ".zst", ".bz2", ".lzma"})
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  return name;
}

bool architecture_wanted(const Source& source, std::string_view arch) {
  return source.architectures.empty() || arch == "all" ||
         std::ranges::find(source.architectures, arch) != source.architectures.end();
}

// The lists of one component of a source ("" for a flat one), from the sorted names of the directory.
std::size_t add_indexes(const std::vector<std::string>& names, const std::string& directory,
                        const std::string& component, Repository& repository) {
  const std::string prefix = list_prefix(repository.source) + (component.empty() ? "" : [&] {
                               std::string quoted = component;
                               std::ranges::replace(quoted, '/', '_');
                               return quoted + "_binary-";
                             }());
  std::size_t found = 0;
  for (auto at = std::ranges::lower_bound(names, prefix); at != names.end() && at->starts_with(prefix); ++at) {
    const auto plain = without_compression(*at);
    if (!plain.ends_with("Packages") || plain.size() < prefix.size() + 8) continue;
    auto arch = plain.substr(prefix.size(), plain.size() - prefix.size() - 8);
    if (component.empty() ? !arch.empty() : !arch.ends_with('_')) continue;
    if (!component.empty() && !architecture_wanted(repository.source, arch.substr(0, arch.size() - 1))) continue;
    repository.indexes.push_back({directory + "/" + *at, component, 500});
    ++found;
  }
  return found;
}

// Whether the Release file says that a component is empty or not there at all, so that no list is missing.
bool may_lack_lists(const Release& release, const std::string& component) {
  for (const auto& [path, bytes] : release.packages_sizes)
    if (path.starts_with(component + "/binary-") && bytes > 0) return false;
  return !release.packages_sizes.empty();
}

class ListsReader {
 public:
  ListsReader(const io::Files& files, const Layout& layout, Instant now) : files_(files), layout_(layout), now_(now) {}

  Lists read() {
    lists_.preferences = read_preferences(files_, layout_);
    for (const auto& text : lists_.preferences.not_understood)
      add_problem(lists_.problems,
                  make_problem(Reason::other, "apt preferences", text,
                               "write the pin with package names or globs, or judge these packages by hand"));
    directory_ = layout_.on_disk(layout_.lists_directory);
    if (auto names = files_.list(directory_); names.ok()) names_ = std::move(*names);
    fetched_at_ = fetched_at(files_, layout_);
    const auto sources = read_sources(files_, layout_);
    if (sources.empty())
      problem(Reason::metadata_missing, "", "no package source is configured in " + layout_.configuration_directory,
              "add the distribution's sources", true);
    for (const auto& source : sources) add_source(source);
    check_age();
    return std::move(lists_);
  }

 private:
  void problem(Reason reason, std::string_view subject, std::string_view detail, std::string_view next, bool blocks) {
    add_problem(lists_.problems, make_problem(reason, subject, detail, next, blocks));
  }

  void add_source(const Source& source) {
    Repository repository{source, {}, site_of(source), false, false, {}};
    const auto subject = describe(source);
    const auto release = read_release(list_prefix(source), repository);
    if (!release.ok()) {
      const bool absent = release.error().code() == Code::not_found;
      if (absent && !source.trusted)
        return problem(Reason::metadata_missing, subject, "its lists were never fetched, or apt refused them",
                       "run 'apt-get update' and read what it says", true);
      if (!absent)
        return problem(Reason::signature_bad, subject, release.error().chain(),
                       "run 'apt-get update'; if it stays, look at the mirror", true);
    } else {
      repository.release = *release;
    }
    repository.security = repository.trusted && names_security(repository);
    check_dates(repository.release, subject);
    find_indexes(repository, subject);
    const auto& r = repository.release;
    // Ubuntu's noble, noble-updates and noble-security all have the codename noble.
    const bool by_suite = r.codename.empty() || source.suite.starts_with(r.codename);
    lists_.states.push_back({(by_suite ? source.suite : r.codename) + " " + join(source.components, " "),
                             repository.site, r.date, r.valid_until, fetched_at_});
    lists_.repositories.push_back(std::move(repository));
  }

  Result<Release> read_release(const std::string& prefix, Repository& repository) {
    for (const char* name : {"InRelease", "Release"}) {
      if (!std::ranges::binary_search(names_, prefix + name)) continue;
      BELAY_TRY_ASSIGN(const auto text, files_.read(resolved(directory_ + "/" + prefix + name), kReleaseBytesMax));
      BELAY_TRY_ASSIGN(auto release, parse_release(text).within("cannot read " + prefix + name));
      repository.trusted = repository.source.trusted || release.signed_inline ||
                           std::ranges::binary_search(names_, prefix + "Release.gpg");
      if (!repository.trusted)
        problem(Reason::signature_bad, describe(repository.source), "the repository is not signed",
                "sign it, or mark the source as trusted", true);
      return release;
    }
    repository.trusted = repository.source.trusted;
    return Error(Code::not_found, "no Release file");
  }

  // Lists of file: sources are links to the repository itself, absolute as the system sees it.
  std::string resolved(const std::string& path) const {
    if (const auto target = files_.read_link(path); target.ok() && target->starts_with('/'))
      return layout_.on_disk(*target);
    return path;
  }

  void check_dates(const Release& release, std::string_view subject) {
    if (release.valid_until && *release.valid_until < now_)
      problem(Reason::release_expired, subject, "its Release file was valid until " + to_iso8601(*release.valid_until),
              "run 'apt-get update'; if it stays, the mirror is not updated any more", true);
    if (release.date && *release.date > now_ + kClockSlack)
      problem(Reason::clock_wrong, subject,
              "its Release file is from " + to_iso8601(*release.date) + ", and this machine's clock says " +
                  to_iso8601(now_),
              "set the clock", true);
  }

  void find_indexes(Repository& repository, std::string_view subject) {
    const auto& components = repository.source.components;
    for (const auto& component : components.empty() ? std::vector<std::string>{""} : components) {
      const auto found = add_indexes(names_, directory_, component, repository);
      if (found == 0 && !may_lack_lists(repository.release, component))
        problem(Reason::metadata_missing, subject, "the package list of '" + component + "' is not there",
                "run 'apt-get update'", true);
    }
    for (auto& index : repository.indexes) index.path = resolved(index.path);
    for (auto& index : repository.indexes)
      index.priority = source_priority(lists_.preferences, {repository.release, repository.site, index.component});
  }

  void check_age() {
    if (!fetched_at_ || lists_.repositories.empty() || *fetched_at_ + layout_.lists_age_max >= now_) return;
    problem(Reason::release_stale, "",
            "the package lists were last fetched at " + to_iso8601(*fetched_at_) + ", " +
                humanize(now_ - *fetched_at_) + " ago",
            "run 'apt-get update', and see that something does so every day", true);
  }

  const io::Files& files_;
  const Layout& layout_;
  Instant now_;
  std::string directory_;
  std::vector<std::string> names_;
  std::optional<Instant> fetched_at_;
  Lists lists_;
};

// The name without a look at the other fields: lists begin their paragraphs with it, but need not.
std::string_view package_name(std::string_view stanza) {
  static constexpr std::string_view kField = "Package: ";
  if (stanza.starts_with(kField)) return stanza.substr(kField.size(), stanza.find('\n') - kField.size());
  return Stanza(stanza).field("Package");
}

void visit_record(std::string_view text, std::string_view name, const Repository& repository, const Index& index,
                  const std::function<void(const Record&)>& visit) {
  const Stanza stanza(text);
  Record record;
  record.name = name;
  record.arch = stanza.field("Architecture");
  record.version = stanza.field("Version");
  if (!is_plain_word(name, 200) || !is_plain_word(record.arch, 50) || !is_plain_word(record.version, 300)) return;
  record.section = stanza.field("Section");
  record.priority = stanza.field("Priority");
  record.sha256 = stanza.field("SHA256");
  record.source = stanza.field("Source");
  record.size_bytes = whole_number(stanza.field("Size"));
  record.installed_bytes = whole_number(stanza.field("Installed-Size")) * 1024;
  if (const auto phased = stanza.field("Phased-Update-Percentage"); !phased.empty())
    record.phased_percentage = static_cast<int>(std::min<std::uint64_t>(whole_number(phased), 100));
  record.repository = &repository;
  record.index = &index;
  visit(record);
}

}  // namespace

Lists read_lists(const io::Files& files, const Layout& layout, Instant now) {
  return ListsReader(files, layout, now).read();
}

void for_each_record(Lists& lists, const std::function<bool(std::string_view)>& wanted,
                     const std::function<void(const Record&)>& visit) {
  for (const auto& repository : lists.repositories)
    for (const auto& index : repository.indexes) {
      const auto status = for_each_piece(index.path, [&](std::string_view text) {
        for (std::string_view stanza; take_stanza(text, stanza);)
          if (const auto name = package_name(stanza); wanted(name))
            visit_record(stanza, name, repository, index, visit);
      });
      if (!status.ok())
        add_problem(lists.problems, make_problem(Reason::metadata_missing, describe(repository.source),
                                                 status.error().chain(), "run 'apt-get update'", true));
    }
}

}  // namespace belay::agent::apt
