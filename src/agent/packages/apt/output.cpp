#include "agent/packages/apt/output.hpp"

#include <array>

#include "agent/packages/problems.hpp"
#include "agent/packages/tool.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

using fleet::Reason;

constexpr std::array kUpdateMeanings{
    Meaning{"NO_PUBKEY", Reason::key_missing, "install the repository's key, or remove the repository"},
    Meaning{"EXPKEYSIG", Reason::key_expired, "install the repository's renewed key"},
    Meaning{"KEYEXPIRED", Reason::key_expired, "install the repository's renewed key"},
    Meaning{"REVKEYSIG", Reason::key_expired, "the key was revoked: find out why before installing a new one"},
    Meaning{"EXPSIG", Reason::key_expired, "run the update again later; the mirror serves an old signature"},
    Meaning{"BADSIG", Reason::signature_bad, "do not trust this mirror; fetch from another one"},
    Meaning{"Clearsigned file isn't valid", Reason::signature_bad,
            "something between here and the mirror changes files; look at proxies"},
    Meaning{"into data and signature failed", Reason::signature_bad,
            "something between here and the mirror changes files; look at proxies"},
    Meaning{"Hash Sum mismatch", Reason::signature_bad, "run the update again; if it stays, the mirror is damaged"},
    Meaning{"File has unexpected size", Reason::signature_bad,
            "run the update again; if it stays, the mirror is damaged"},
    Meaning{"is expired (invalid since", Reason::release_expired,
            "the mirror is not updated any more; use another one"},
    Meaning{"is not valid yet", Reason::clock_wrong, "set the clock"},
    Meaning{"is not signed", Reason::signature_bad, "sign the repository, or mark it as trusted"},
    Meaning{"is no longer signed", Reason::signature_bad, "do not trust this mirror; fetch from another one"},
    Meaning{"changed its '", Reason::other,
            "look at what changed, then run 'apt-get update --allow-releaseinfo-change'"},
    Meaning{"13: Permission denied", Reason::other,
            "only root may fetch the host's package lists; run as root, or name a folder of Belay's own with --lists"},
    Meaning{"Could not get lock", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"Unable to lock", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"No space left on device", Reason::disk_full, "free space"},
    Meaning{"no longer has a Release file", Reason::repository_unreachable,
            "check the repository's address: it was there once"},
    Meaning{"does not have a Release file", Reason::repository_unreachable, "check the repository's address"},
    Meaning{"Failed to fetch", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Unable to connect", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Could not connect", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Could not resolve", Reason::repository_unreachable, "check the name service"},
    Meaning{"Temporary failure resolving", Reason::repository_unreachable, "check the name service"},
    Meaning{"Connection failed", Reason::repository_unreachable, "check the network and the mirror"},
    Meaning{"Connection timed out", Reason::repository_unreachable, "check the network and the mirror"},
};

constexpr std::array kInstallMeanings{
    Meaning{"are you root?", Reason::other, "run as root"},
    Meaning{"Could not get lock", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"Unable to acquire the dpkg frontend lock", Reason::lock_held,
            "try again when the other process has ended"},
    Meaning{"locked by another process", Reason::lock_held, "try again when the other process has ended"},
    Meaning{"dpkg was interrupted", Reason::dpkg_interrupted, "run 'dpkg --configure -a'"},
    Meaning{"No space left on device", Reason::disk_full, "free space, then try again; dpkg put the package back"},
    Meaning{"don't have enough free space", Reason::disk_full, "free space, then try again"},
    Meaning{"was not found", Reason::version_not_offered, "scan again and make a new change set"},
    Meaning{"Unable to locate package", Reason::version_not_offered, "scan again and make a new change set"},
    Meaning{"has no installation candidate", Reason::version_not_offered, "scan again and make a new change set"},
    Meaning{"Can't find a source to download", Reason::version_not_offered, "scan again and make a new change set"},
    Meaning{"Held packages were changed", Reason::package_held,
            "run 'apt-mark unhold' for the package when it may change"},
    Meaning{"Packages need to be removed but remove is disabled", Reason::would_remove_packages,
            "look at what conflicts"},
    Meaning{"Packages were downgraded", Reason::other, "only a rollback may downgrade"},
    Meaning{"unmet dependencies", Reason::dependency_broken, "run 'apt-get check' and mend what it names"},
    Meaning{"Unable to correct problems, you have held broken packages", Reason::dependency_broken,
            "look at what the resolver names"},
    Meaning{"Hash Sum mismatch", Reason::signature_bad,
            "run 'apt-get update', then try again; if it stays, do not trust the mirror"},
    Meaning{"File has unexpected size", Reason::signature_bad,
            "run 'apt-get update', then try again; if it stays, do not trust the mirror"},
    Meaning{"could not be authenticated", Reason::signature_bad, "sign the repository"},
    Meaning{"Failed to fetch", Reason::repository_unreachable, "run 'apt-get update', then try again"},
    Meaning{"Unable to fetch some archives", Reason::repository_unreachable, "run 'apt-get update', then try again"},
    Meaning{"compressed data is corrupt", Reason::signature_bad, "fetch the package again"},
    Meaning{"end of file on stdin at conffile prompt", Reason::script_failed,
            "run 'dpkg --configure -a --force-confdef --force-confold'"},
    Meaning{"installed ", Reason::script_failed,
            "look at the script's own words above, mend it, then run 'dpkg --configure -a'"},
};

constexpr std::string_view kUnsandboxed = "Download is performed unsandboxed";
constexpr std::array<std::string_view, 9> kHarmlessWarnings{
    "is configured multiple times",
    "stored in legacy trusted.gpg",
    "Some index files failed to download",
    "doesn't support architecture",
    "weak security information",
    "Sources disagree on hashes",
    "The following signatures couldn't be verified because the public key",
    "Problem unlinking",
    "No sandbox user"};

// "http://host/debian bookworm InRelease" out of a line about a repository: its address and suite.
std::string repository_in(std::string_view line) {
  auto start = line.find("://");
  if (start == std::string_view::npos) {  // file: and the like
    const auto quote = line.find("The repository '");
    if (quote == std::string_view::npos) return {};
    const auto quoted = line.substr(quote + 16, line.find('\'', quote + 16) - quote - 16);
    return std::string(quoted.substr(0, quoted.rfind(' ')));
  }
  while (start > 0 && line[start - 1] >= 'a' && line[start - 1] <= 'z') --start;
  line.remove_prefix(start);
  const auto words = split(line, ' ');
  std::string address(words[0]);
  while (!address.empty() && (address.back() == '\'' || address.back() == ':' || address.back() == '.'))
    address.pop_back();
  if (const auto at = address.find('@'); at != std::string::npos)
    address.erase(address.find("://") + 3, at - address.find("://") - 2);
  if (const auto dists = address.find("/dists/"); dists != std::string::npos) {
    const auto suite = address.substr(dists + 7, address.find('/', dists + 7) - dists - 7);
    return address.substr(0, dists) + " " + suite;
  }
  if (words.size() < 2) return address;
  std::string suite(words[1]);
  while (!suite.empty() && (suite.back() == '\'' || suite.back() == ':')) suite.pop_back();
  return address + " " + suite;
}

// "… It is held by process 416 (apt-get)" or "… another process with pid 416": who holds the lock.
std::string lock_holder(std::string_view line) {
  for (const std::string_view words : {"held by process ", "with pid "}) {
    const auto at = line.find(words);
    if (at == std::string_view::npos) continue;
    auto rest = line.substr(at + words.size());
    const auto pid = rest.substr(0, rest.find_first_not_of("0123456789"));
    const auto open = rest.find('('), close = rest.find(')');
    if (open != std::string_view::npos && close != std::string_view::npos && open < close)
      return std::string(rest.substr(open + 1, close - open - 1)) + " (process " + std::string(pid) + ")";
    return "process " + std::string(pid);
  }
  return {};
}

// "dpkg: error processing package nginx (--configure):" and the like.
std::string package_in(std::string_view line) {
  for (const std::string_view words :
       {"error processing package ", "error processing archive ", "Unable to locate package ", "installed "}) {
    const auto at = line.find(words);
    if (at == std::string_view::npos) continue;
    auto rest = line.substr(at + words.size());
    rest = rest.substr(0, rest.find_first_of(" \n"));
    if (const auto slash = rest.rfind('/'); slash != std::string_view::npos) rest.remove_prefix(slash + 1);
    if (words == "error processing archive ") rest = rest.substr(0, rest.find('_'));
    return std::string(rest);
  }
  if (const auto at = line.find("' for '"); at != std::string_view::npos) {
    const auto rest = line.substr(at + 7);
    return std::string(rest.substr(0, rest.find('\'')));
  }
  return {};
}

bool is_harmless(std::string_view line) {
  for (const auto text : kHarmlessWarnings)
    if (line.find(text) != std::string_view::npos) return true;
  return false;
}

bool is_error_line(std::string_view line) {
  return line.starts_with("E:") || line.starts_with("dpkg: error") || line.starts_with("dpkg (subprocess)");
}

// "installed nginx package post-installation script subprocess returned error exit status 1"
bool is_script_failure(std::string_view line) {
  return line.find("script subprocess returned error") != std::string_view::npos ||
         line.find("script subprocess was killed") != std::string_view::npos;
}

// Takes "NAME[:arch]" apart.
void set_name(std::string_view word, fleet::PackageChange& change) {
  const auto colon = word.find(':');
  change.name = word.substr(0, colon);
  if (colon != std::string_view::npos) change.arch = word.substr(colon + 1);
}

// "Inst perl [5.36.0-7] (5.36.0-8 Debian:12/oldstable [amd64]) []"
bool read_inst(std::string_view rest, fleet::PackageChange& change) {
  const auto name = rest.substr(0, rest.find(' '));
  set_name(name, change);
  const auto open = rest.find('('), bracket = rest.find('[');
  if (open == std::string_view::npos) return false;
  if (bracket < open) change.from_version = rest.substr(bracket + 1, rest.find(']', bracket) - bracket - 1);
  const auto offered = rest.substr(open + 1, rest.find(')', open) - open - 1);
  change.to_version = offered.substr(0, offered.find(' '));
  if (const auto arch = offered.rfind('['); arch != std::string_view::npos)
    change.arch = offered.substr(arch + 1, offered.find(']', arch) - arch - 1);
  return is_plain_word(change.name, 200) && is_plain_word(change.to_version, 300);
}

bool read_removal(std::string_view rest, std::string_view native, fleet::PackageChange& change) {
  set_name(rest.substr(0, rest.find(' ')), change);
  if (change.arch.empty()) change.arch = native;
  if (const auto bracket = rest.find('['); bracket != std::string_view::npos)
    change.from_version = rest.substr(bracket + 1, rest.find(']', bracket) - bracket - 1);
  return is_plain_word(change.name, 200);
}

}  // namespace

std::vector<fleet::Problem> problems_of_update(std::string_view output) {
  std::vector<fleet::Problem> problems;
  std::string repository;  // of the Err: line that a detail line belongs to
  for (const auto line : split(output.substr(0, kToolOutputBytesRead), '\n')) {
    const bool detail = line.starts_with("  ") && !repository.empty();
    if (line.starts_with("Err:")) repository = repository_in(line);
    else if (!detail) repository.clear();
    const bool warning = line.starts_with("W:"), error = line.starts_with("E:");
    if (!warning && !error && !detail) continue;
    // Lists in a folder of our own that only root reads: apt fetches them as root, and quotes an errno that means
    // nothing.
    if (warning && line.find(kUnsandboxed) != std::string_view::npos) continue;
    const auto* meaning = meaning_of(kUpdateMeanings, line);
    if (!meaning && (detail || is_harmless(line))) continue;
    const Reason reason = meaning ? meaning->reason : Reason::other;
    std::string subject = reason == Reason::lock_held ? lock_holder(line) : repository_in(line);
    if (subject.empty()) subject = repository;
    add_problem(problems,
                make_problem(reason, subject, line,
                             meaning ? meaning->next : "read the message, and the mirror's state", error || meaning));
  }
  return problems;
}

std::vector<fleet::Problem> problems_of_install(std::string_view output) {
  std::vector<fleet::Problem> problems;
  std::string package;  // that dpkg spoke of last
  std::string holder;   // of the lock: named while apt waits, not when it gives up
  output = output.substr(0, kToolOutputBytesRead);
  for (std::size_t at = 0; at < output.size();) {
    const auto end = std::min(output.find('\n', at), output.size());
    const auto line = output.substr(at, end - at);
    if (line.starts_with("dpkg: error processing")) package = package_in(line);
    if (line.find("It is held by process ") != std::string_view::npos) holder = lock_holder(line);
    const bool script = is_script_failure(line);
    const bool unmet = line.find("The following packages have unmet dependencies") != std::string_view::npos;
    const auto* meaning =
        script || is_error_line(line) || unmet || line.starts_with(" ") ? meaning_of(kInstallMeanings, line) : nullptr;
    if (meaning && meaning->reason == Reason::script_failed && !script &&
        line.find("conffile prompt") == std::string_view::npos)
      meaning = nullptr;
    if (meaning) {
      // The resolver's explanation stands in the indented lines below.
      const auto detail = unmet ? output.substr(at, 1'500) : line;
      std::string subject = meaning->reason == Reason::lock_held ? lock_holder(line) : package_in(line);
      if (subject.empty() && meaning->reason == Reason::lock_held) subject = holder;
      else if (subject.empty() && !unmet) subject = package;
      add_problem(problems, make_problem(meaning->reason, subject, detail, meaning->next));
    }
    at = end + 1;
  }
  return problems;
}

std::vector<fleet::PackageChange> changes_of_simulation(std::string_view output, std::string_view native) {
  std::vector<fleet::PackageChange> changes;
  for (const auto line : split(output.substr(0, kToolOutputBytesRead), '\n')) {
    fleet::PackageChange change;
    const bool installs = line.starts_with("Inst "), removes = line.starts_with("Remv ") || line.starts_with("Purg ");
    if (installs ? read_inst(line.substr(5), change) : removes && read_removal(line.substr(5), native, change))
      changes.push_back(std::move(change));
  }
  return changes;
}

std::vector<std::string> services_of_needrestart(std::string_view output) {
  static constexpr std::string_view kService = "NEEDRESTART-SVC:";
  std::vector<std::string> services;
  for (const auto line : split(output, '\n'))
    if (line.starts_with(kService) && services.size() < 1'000)
      services.push_back(sanitize(trim(line.substr(kService.size())), 200));
  return services;
}

}  // namespace belay::agent::apt
