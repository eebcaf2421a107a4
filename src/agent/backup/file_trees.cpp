#include "agent/backup/file_trees.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::uint64_t kHashedBytesMax = 1ull << 30;  // of all chosen files together
constexpr Duration kHashTimeout{1'800'000};
constexpr std::size_t kDigestBytes = 64;
constexpr std::size_t kEntropyHeadBytes = 64 << 10, kEntropyBytesMin = 256 << 10;

struct Counted {
  std::uint64_t bytes = 0, files = 0, links = 0;
};

Result<Counted> count(const io::Files& files, const std::string& root) {
  Counted counted;
  std::vector<std::string> open{root};
  while (!open.empty()) {
    const auto path = std::move(open.back());
    open.pop_back();
    BELAY_TRY_ASSIGN(const auto names, files.list(path));
    for (const auto& name : names) {
      auto below = path + "/" + name;
      BELAY_TRY_ASSIGN(const auto info, files.info(below));
      using Kind = io::FileInfo::Kind;
      if (info.kind == Kind::file) counted.bytes += info.bytes, ++counted.files;
      if (info.kind == Kind::symlink) ++counted.links;
      if (info.kind == Kind::directory) open.push_back(std::move(below));
    }
  }
  return counted;
}

// FNV-1a: the choice must be the same everywhere, std::hash need not be.
std::size_t rank_of(std::string_view path) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return static_cast<std::size_t>(hash ^ (hash >> 29));
}

// SHA-256 by path, of those that could be read.
Result<std::map<std::string, std::string>> digests(const BackupHost& host, const backup::Job& job,
                                                   const std::vector<std::string>& paths) {
  std::map<std::string, std::string> found;
  if (paths.empty()) return found;
  Call what;
  what.argv = {"sha256sum", "--binary", "--zero", "--"};
  what.argv.insert(what.argv.end(), paths.begin(), paths.end());
  what.timeout = kHashTimeout;
  what.gently = true;
  what.directory = "/";
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));
  if (outcome.end != io::ProcessOutcome::End::exited || outcome.output_bytes_dropped > 0)
    return Error(Code::internal, "the files cannot be read for their checksums: " + how_it_ended(outcome));
  for (const auto line : split(outcome.standard_output, '\0'))
    if (line.size() > kDigestBytes + 2)
      found[std::string(line.substr(kDigestBytes + 2))] = line.substr(0, kDigestBytes);
  return found;
}

bool is_as_listed(const BackupHost& host, const std::string& root, const ListedFile& file) {
  const auto info = host.files.info(root + file.path);
  const auto then = parse_iso8601(file.modified);
  return info.ok() && info->kind == io::FileInfo::Kind::file && info->bytes == file.bytes && then.ok() &&
         std::chrono::floor<std::chrono::seconds>(info->modified) == std::chrono::floor<std::chrono::seconds>(*then);
}

}  // namespace

Result<std::pair<std::uint64_t, std::uint64_t>> count_tree(const io::Files& files, const std::string& path) {
  BELAY_TRY_ASSIGN(const auto counted, count(files, path));
  return std::pair(counted.bytes, counted.files);
}

void TreeSummary::add(const ListedFile& file) {
  if (file.kind == ListedFile::Kind::link) ++links_;
  if (file.kind == ListedFile::Kind::hard_link) ++files_, bytes_are_whole_ = false;
  if (file.kind != ListedFile::Kind::file) return;
  ++files_;
  bytes_ += file.bytes;
  if (file.bytes == 0 || file.bytes > kHashedBytesMax) return;
  const auto rank = rank_of(file.path);
  const auto above = [](const Chosen& a, const Chosen& b) { return a.rank < b.rank; };
  if (chosen_.size() == kSampledMax) {
    if (rank >= chosen_.front().rank) return;
    std::ranges::pop_heap(chosen_, above);
    chosen_.pop_back();
  }
  chosen_.push_back({rank, file});
  std::ranges::push_heap(chosen_, above);
}

Result<std::vector<backup::Fingerprint>> TreeSummary::prints(const BackupHost& host, const backup::Job& job,
                                                             const std::string& root) const {
  std::vector<const ListedFile*> wanted;
  std::vector<std::string> paths;
  std::uint64_t budget = kHashedBytesMax;
  for (const auto& [rank, file] : chosen_) {
    if (file.bytes > budget || !is_as_listed(host, root, file)) continue;
    budget -= file.bytes;
    wanted.push_back(&file);
    paths.push_back(root + file.path);
  }
  BELAY_TRY_ASSIGN(const auto found, digests(host, job, paths));
  std::vector<backup::Fingerprint> prints{{"files", files_, ""}, {"links", links_, ""}};
  if (bytes_are_whole_) prints.push_back({"bytes", bytes_, ""});
  const auto counts = static_cast<std::ptrdiff_t>(prints.size());
  for (const auto* file : wanted) {
    const auto place = found.find(root + file->path);
    if (place == found.end() || !is_as_listed(host, root, *file)) continue;  // it changed under our hands
    prints.push_back({file->path, file->bytes, place->second});
  }
  std::ranges::sort(prints.begin() + counts, prints.end(), {}, &backup::Fingerprint::subject);
  return prints;
}

std::optional<double> TreeSummary::entropy(const BackupHost& host, const backup::Job& job, const std::string& root,
                                           Instant since) const {
  Call what;
  what.argv = {"head", "--bytes=" + std::to_string(kEntropyHeadBytes), "--quiet", "--"};
  const auto fixed = what.argv.size();
  constexpr std::size_t kReadMax = 100;
  for (const auto& [rank, file] : chosen_) {
    const auto changed = parse_iso8601(file.modified);
    if (changed.ok() && *changed >= since && what.argv.size() < fixed + kReadMax) what.argv.push_back(root + file.path);
  }
  if (what.argv.size() == fixed) return std::nullopt;
  what.gently = true;
  what.directory = "/";
  std::array<std::uint64_t, 256> counts{};
  std::uint64_t total = 0;
  what.sink = [&](int stream, std::string_view text) {
    if (stream != 1) return;
    total += text.size();
    for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  };
  if (!call(host, job, std::move(what)).ok() || total < kEntropyBytesMin) return std::nullopt;
  double bits = 0;
  for (const auto times : counts) {
    if (times == 0) continue;
    const double share = static_cast<double>(times) / static_cast<double>(total);
    bits -= share * std::log2(share);
  }
  return bits;
}

Result<std::vector<backup::Fingerprint>> prints_of_tree(const BackupHost& host, const backup::Job& job,
                                                        const std::string& root,
                                                        const std::vector<backup::Fingerprint>& then) {
  BELAY_TRY_ASSIGN(const auto counted, count(host.files, root));
  std::vector<backup::Fingerprint> now{
      {"files", counted.files, ""}, {"bytes", counted.bytes, ""}, {"links", counted.links, ""}};
  std::vector<std::string> paths;
  for (const auto& print : then)
    if (print.subject.starts_with('/') && host.files.info(root + print.subject).ok())
      paths.push_back(root + print.subject);
  BELAY_TRY_ASSIGN(const auto found, digests(host, job, paths));
  for (const auto& [path, digest] : found) {
    BELAY_TRY_ASSIGN(const auto info, host.files.info(path));
    now.push_back({path.substr(root.size()), info.bytes, digest});
  }
  return now;
}

}  // namespace belay::agent::backups
