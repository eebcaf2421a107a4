#include "agent/packages/dnf/output.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>

#include "agent/packages/problems.hpp"
#include "agent/packages/tool.hpp"
#include "base/bytes.hpp"
#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::agent::dnf {
namespace {

using fleet::Reason;

std::uint64_t whole_number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <typename Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  text = text.substr(0, kToolOutputBytesRead);
  while (!text.empty()) {
    const auto end = text.find('\n');
    visit(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// Python's way to write bytes, b'\xb3x...': dnf prints a checksum as "(2, b'...')". "" where it is none of 32 bytes.
std::string checksum_of(std::string_view text) {
  const auto start = text.find("b");
  if (start == std::string_view::npos || start + 3 > text.size()) return {};
  const char quote = text[start + 1];
  std::string bytes;
  for (std::size_t i = start + 2; i < text.size() && text[i] != quote; ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      bytes += text[i];
      continue;
    }
    const char escape = text[++i];
    if (escape == 'x' && i + 2 < text.size()) {
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte.ok()) return {};
      bytes += *byte;
      i += 2;
    } else {
      bytes += escape == 'n' ? '\n' : escape == 't' ? '\t' : escape == 'r' ? '\r' : escape;
    }
  }
  return bytes.size() == 32 ? to_hex(bytes) : std::string();
}

// The checksum may hold '|' itself: the vendor begins after the bracket that ends it.
bool split_offer(std::string_view line, std::array<std::string_view, 10>& fields) {
  for (std::size_t i = 0; i < 8; ++i) {
    const auto bar = line.find('|');
    if (bar == std::string_view::npos) return false;
    fields[i] = line.substr(0, bar);
    line.remove_prefix(bar + 1);
  }
  const auto end = line.rfind(")|");
  fields[8] = end == std::string_view::npos ? std::string_view() : line.substr(0, end + 1);
  fields[9] = end == std::string_view::npos ? std::string_view() : line.substr(end + 2);
  return true;
}

std::string classification_of(std::string_view type) {
  if (type == "security") return "Security";
  if (type == "bugfix") return "Bugfix";
  if (type == "enhancement") return "Enhancement";
  if (type == "newpackage") return "Newpackage";
  return type == "recommended" ? "Recommended" : "";
}

// Fedora says Moderate where SSM says Medium.
std::string severity_of(std::string_view text) { return text == "Moderate" ? "Medium" : sanitize(text, 50); }

struct AdvisoryText {
  Advisory advisory;
  std::vector<std::string> files;
};

void set_field(AdvisoryText& text, std::string_view name, std::string_view value) {
  auto& advisory = text.advisory;
  if (name == "Update ID") advisory.id = sanitize(value, 100);
  else if (name == "Type") advisory.classification = classification_of(value);
  else if (name == "Severity") advisory.severity = severity_of(value);
  else if (name == "CVEs" && advisory.cve_ids.size() < 1'000)
    advisory.cve_ids.push_back(sanitize(value.substr(0, value.find(' ')), 50));
  else if (name == "Bugs" && advisory.bugzilla_ids.size() < 1'000)
    advisory.bugzilla_ids.push_back(sanitize(value.substr(0, value.find(' ')), 50));
  else if (name == "Files" && text.files.size() < 5'000)
    text.files.emplace_back(value.ends_with(".rpm") ? value.substr(0, value.size() - 4) : value);
  else if (name == "Updated") {
    if (const auto date = parse_iso8601(value); date.ok()) advisory.released_at = *date;
  }
}

constexpr std::pair<std::string_view, bool> kSections[] = {{"Installing:", false},
                                                           {"Upgrading:", false},
                                                           {"Downgrading:", false},
                                                           {"Reinstalling:", false},
                                                           {"Installing dependencies:", false},
                                                           {"Installing weak dependencies:", false},
                                                           {"Installing group/module packages:", false},
                                                           {"Removing:", true},
                                                           {"Removing dependent packages:", true},
                                                           {"Removing unused dependencies:", true}};

constexpr std::array kMeanings{
    Meaning{"already locked by", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"Failed to obtain the transaction lock", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"Waiting for process with pid", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"GPG signature verification error", Reason::signature_bad,
            "do not trust this mirror; fetch from another one"},
    Meaning{"incorrect checksum", Reason::signature_bad, "the repository is damaged; refresh and try again"},
    Meaning{"Failed to retrieve GPG key", Reason::key_missing, "mend the repository's gpgkey"},
    Meaning{"Error opening", Reason::repository_unreachable, "the repository lacks what its index promises; refresh"},
    Meaning{"GPG check FAILED", Reason::signature_bad, "do not trust this package"},
    Meaning{"is not signed", Reason::signature_bad, "do not trust this package"},
    Meaning{"Downloading successful, but checksum doesn't match", Reason::signature_bad,
            "the mirror is damaged or attacked; refresh and try again"},
    Meaning{"public key is not installed", Reason::key_missing, "import the repository's key with 'rpm --import'"},
    Meaning{"GPG keys", Reason::key_missing, "import the repository's key with 'rpm --import'"},
    Meaning{"key has expired", Reason::key_expired, "import the repository's renewed key"},
    Meaning{"more space on the", Reason::disk_full, "free space"},
    Meaning{"No space left on device", Reason::disk_full, "free space"},
    Meaning{"Cache-only enabled but no cache", Reason::metadata_missing, "run 'dnf makecache'"},
    Meaning{"filtered out by exclude filtering", Reason::package_held, "remove the exclude or the version lock"},
    Meaning{"Unable to find a match", Reason::version_not_offered, "scan again and make a new change set"},
    Meaning{"No match for argument", Reason::version_not_offered, "scan again and make a new change set"},
    Meaning{"Failed to download metadata", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Cannot download", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Error downloading packages", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Curl error", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"scriptlet", Reason::script_failed, "look at the scriptlet's words, mend what it wants"},
    Meaning{"conflicting requests", Reason::dependency_broken, "look at what the resolver names"},
    Meaning{"nothing provides", Reason::dependency_broken, "look at what the resolver names"},
    Meaning{"cannot install both", Reason::dependency_broken, "look at what the resolver names"},
    Meaning{"requires ", Reason::dependency_broken, "look at what the resolver names"},
};

std::string subject_in(std::string_view line) {
  for (const std::string_view words : {"for repo '", "no cache for '", "match: ", "argument: ", "locked by "})
    if (const auto at = line.find(words); at != std::string_view::npos) {
      const auto rest = line.substr(at + words.size());
      return (words == "locked by " ? "process " : "") + std::string(rest.substr(0, rest.find_first_of("' \n")));
    }
  return {};
}

}  // namespace

std::string nevra(std::string_view name, std::string_view version, std::string_view arch) {
  std::string text = std::string(name) + "-" + std::string(version);
  return arch.empty() ? text : text + "." + std::string(arch);
}

Result<fleet::PackageSet> parse_installed(std::string_view text) {
  fleet::PackageSet set{fleet::PackageFormat::rpm, {}};
  std::optional<Error> failure;
  for_each_line(text, [&](std::string_view line) {
    if (failure || line.empty()) return;
    const auto fields = split(line, '|');
    const bool whole =
        fields.size() == 5 && std::ranges::all_of(fields, [](auto field) { return is_plain_word(field, 300); });
    if (!whole)
      failure = Error(Code::corrupt, "rpm -qa says '" + sanitize(line, 100) + "', which is no package",
                      "database-unreadable");
    else if (set.packages.size() >= kInstalledPackagesMax)
      failure = Error(Code::resource_exhausted, "more packages than any system has", "database-unreadable");
    else if (fields[0] != "gpg-pubkey")
      set.packages.push_back({std::string(fields[0]), std::string(fields[4]),
                              std::string(fields[1]) + ":" + std::string(fields[2]) + "-" + std::string(fields[3])});
  });
  if (failure) return *failure;
  std::ranges::sort(set.packages);
  const auto repeats = std::ranges::unique(set.packages);
  set.packages.erase(repeats.begin(), repeats.end());
  return set;
}

std::vector<fleet::Offer> parse_offers(std::string_view text,
                                       const std::function<bool(std::string_view, std::string_view)>& wanted) {
  std::vector<fleet::Offer> offers;
  for_each_line(text, [&](std::string_view line) {
    std::array<std::string_view, 10> fields;
    if (!split_offer(line, fields) || offers.size() >= 100'000 || !wanted(fields[0], fields[4])) return;
    if (!std::ranges::all_of(fields | std::views::take(6), [](auto field) { return is_plain_word(field, 300); }))
      return;
    fleet::Offer offer;
    offer.name = fields[0];
    offer.arch = fields[4];
    offer.version = std::string(fields[1]) + ":" + std::string(fields[2]) + "-" + std::string(fields[3]);
    offer.label = fields[5];
    offer.size_bytes = whole_number(fields[6]);
    offer.installed_bytes = whole_number(fields[7]);
    offer.sha256 = checksum_of(fields[8]);
    offer.origin = sanitize(fields[9] == "None" ? std::string_view() : fields[9], 200);
    offers.push_back(std::move(offer));
  });
  return offers;
}

std::map<std::string, std::vector<Advisory>, std::less<>> parse_advisories(std::string_view text) {
  std::map<std::string, std::vector<Advisory>, std::less<>> by_package;
  AdvisoryText current;
  std::string field;
  const auto finish = [&] {
    if (!current.advisory.id.empty())
      for (auto& file : current.files)
        if (by_package.size() < 500'000) by_package[file].push_back(current.advisory);
    current = {};
  };
  for_each_line(text, [&](std::string_view line) {
    const auto colon = line.find(": ");
    if (line.starts_with("=====") || colon == std::string_view::npos) return;
    const auto name = trim(line.substr(0, colon));
    if (name == "Update ID") finish();
    if (!name.empty()) field = name;  // a continuation line has no name
    set_field(current, field, trim(line.substr(colon + 2)));
  });
  finish();
  return by_package;
}

void apply_advisories(std::vector<fleet::Offer>& offers,
                      const std::map<std::string, std::vector<Advisory>, std::less<>>& advisories) {
  static constexpr std::array<std::string_view, 5> kSeverities{"Critical", "Important", "Medium", "Low", "None"};
  const auto rank = [&](std::string_view severity) {
    return std::ranges::find(kSeverities, severity) - kSeverities.begin();
  };
  for (auto& offer : offers) {
    const auto version =
        std::string_view(offer.version).substr(offer.version.find(':') + 1);  // file names have no epoch
    const auto found = advisories.find(nevra(offer.name, version, offer.arch));
    if (found == advisories.end()) continue;
    for (const auto& advisory : found->second) {
      offer.advisory_ids.push_back(advisory.id);
      offer.cve_ids.insert(offer.cve_ids.end(), advisory.cve_ids.begin(), advisory.cve_ids.end());
      offer.bugzilla_ids.insert(offer.bugzilla_ids.end(), advisory.bugzilla_ids.begin(), advisory.bugzilla_ids.end());
      const bool security = advisory.classification == "Security";
      if (offer.classification.empty() || (security && !offer.security)) offer.classification = advisory.classification;
      offer.security |= security;
      if (offer.severity.empty() || rank(advisory.severity) < rank(offer.severity)) offer.severity = advisory.severity;
      if (!offer.released_at || (advisory.released_at && *advisory.released_at > *offer.released_at))
        offer.released_at = advisory.released_at;
    }
  }
}

std::vector<fleet::PackageChange> parse_transaction(std::string_view text) {
  std::vector<fleet::PackageChange> changes;
  bool inside = false, removing = false;
  std::string pending;  // dnf breaks a row whose name is long
  for_each_line(text, [&](std::string_view line) {
    for (const auto& [title, removes] : kSections)
      if (line == title) {
        inside = true, removing = removes;
        pending.clear();
        return;
      }
    if (!inside) return;
    if (!line.starts_with(' ') || line.starts_with("Transaction Summary")) {
      inside = !line.starts_with("Transaction Summary") && inside && !trim(line).empty();
      return;
    }
    pending += " " + std::string(line);
    std::vector<std::string> words;
    for (const auto word : split(pending, ' '))
      if (!word.empty()) words.emplace_back(word);
    if (words.size() < 5) return;
    pending.clear();
    if (words[0] == "replacing") return;
    const std::string version = words[2].find(':') == std::string::npos ? "0:" + words[2] : words[2];
    if (is_plain_word(words[0], 300) && is_plain_word(version, 300) && changes.size() < kInstalledPackagesMax)
      changes.push_back({words[0], words[1], removing ? version : "", removing ? "" : version, "", 0});
  });
  return changes;
}

std::vector<fleet::Problem> problems_of_dnf(std::string_view output) {
  std::vector<fleet::Problem> problems;
  for_each_line(output, [&](std::string_view line) {
    const bool speaks =
        line.starts_with("Error") || line.starts_with("  - ") || line.starts_with(" Problem") ||
        line.find("FAILED") != std::string_view::npos || line.find("locked by") != std::string_view::npos ||
        line.find("scriptlet failed") != std::string_view::npos ||
        line.find("is not installed") != std::string_view::npos ||
        line.find("is not signed") != std::string_view::npos || line.find("more space on") != std::string_view::npos ||
        line.find("No match for argument") != std::string_view::npos ||
        line.find("exclude filtering") != std::string_view::npos;
    if (!speaks) return;
    if (const auto* meaning = meaning_of(kMeanings, line))
      add_problem(problems, make_problem(meaning->reason, subject_in(line), line, meaning->next));
  });
  // Asked whether it may take the repository's key, dnf hears no answer, and calls the signature bad.
  if (output.find("Importing GPG key") != std::string_view::npos &&
      output.find("Is this ok [y/N]") != std::string_view::npos)
    for (auto& problem : problems)
      if (problem.reason == Reason::signature_bad) {
        problem.reason = Reason::key_missing;
        problem.detail = "the repository's key was never accepted on this node. " + problem.detail;
        problem.next = "compare its fingerprint, then accept it with 'dnf makecache'";
      }
  return problems;
}

bool names_only_expired_keys(std::string_view colons) {
  std::size_t keys = 0, expired = 0;
  for_each_line(colons, [&](std::string_view line) {
    if (!line.starts_with("pub:")) return;
    keys += 1;
    expired += line.substr(4, 2) == "e:" ? 1 : 0;
  });
  return keys > 0 && keys == expired;
}

std::vector<fleet::Problem> problems_of_check(std::string_view output) {
  std::vector<fleet::Problem> problems;
  for_each_line(output, [&](std::string_view line) {
    if (const auto at = line.find(" is a duplicate with "); at != std::string_view::npos) {
      const auto parts = version::split_nevra(line.substr(0, at));
      add_problem(problems, make_problem(Reason::package_broken, parts.ok() ? parts->name : line.substr(0, at), line,
                                         "run 'dnf remove --duplicates'"));
    } else if (line.find(" has missing requires of ") != std::string_view::npos ||
               line.find(" has installed conflict ") != std::string_view::npos) {
      add_problem(problems, make_problem(Reason::dependency_broken, line.substr(0, line.find(' ')), line,
                                         "run 'dnf check' and mend what it names"));
    }
  });
  return problems;
}

std::vector<ConffileDifference> conffiles_of(std::string_view output) {
  std::vector<ConffileDifference> differences;
  static constexpr std::string_view kCreated = " created as ";
  for_each_line(output, [&](std::string_view line) {
    const auto at = line.find(kCreated);
    const auto start = line.find('/');
    if (at == std::string_view::npos || start > at || !trim(line).ends_with(".rpmnew") || differences.size() >= 10'000)
      return;
    differences.push_back(
        {sanitize(line.substr(start, at - start), 4096), "", sanitize(trim(line.substr(at + kCreated.size())), 4096)});
  });
  return differences;
}

std::vector<fleet::PackageChange> changes_between(const fleet::PackageSet& before, const fleet::PackageSet& after) {
  std::vector<fleet::InstalledPackage> gone, come;
  std::ranges::set_difference(before.packages, after.packages, std::back_inserter(gone));
  std::ranges::set_difference(after.packages, before.packages, std::back_inserter(come));
  std::vector<fleet::PackageChange> changes;
  for (const auto& package : come) {
    const auto old = std::ranges::find_if(
        gone, [&](const auto& one) { return one.name == package.name && one.arch == package.arch; });
    changes.push_back({package.name, package.arch, old == gone.end() ? "" : old->version, package.version, "", 0});
    if (old != gone.end()) gone.erase(old);
  }
  for (const auto& package : gone) changes.push_back({package.name, package.arch, package.version, "", "", 0});
  std::ranges::sort(changes);
  return changes;
}

}  // namespace belay::agent::dnf
