#include "agent/packages/apt/changelog_reader.hpp"

#include <algorithm>

#include "agent/packages/apt/index_file.hpp"
#include "agent/packages/apt/tar_picker.hpp"
#include "agent/packages/problems.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent::apt {
namespace {

constexpr std::size_t kKeptBytesMax = 2u << 20;
constexpr std::size_t kKeptFilesMax = 2'000;
constexpr std::size_t kPackedBytesMax = 4u << 20;
constexpr std::size_t kRoundsMax = 3;
constexpr Duration kUnpackTimeout{60'000};
constexpr Duration kLeftoverAge{std::chrono::hours(24)};
constexpr std::string_view kFetchPrefix = "fetch-";

// Names become parts of paths and command lines.
bool is_safe(std::string_view text) {
  return is_plain_word(text, 200) && text.front() != '-' && text.front() != '.' &&
         text.find_first_of("/\\*?[]'\"") == std::string_view::npos;
}

std::string quoted(std::string_view version) {  // as apt writes a version in a file name
  std::string text;
  for (const char c : version) text += c == ':' ? std::string("%3a") : std::string(1, c);
  return text;
}

// "usr/share/doc/<package>/changelog.Debian.gz", of native packages and of upstream "changelog.gz".
bool is_changelog(std::string_view name) {
  const auto parts = split(name, '/');
  if (parts.size() != 5 || parts[0] != "usr" || parts[1] != "share" || parts[2] != "doc") return false;
  return (parts[4].starts_with("changelog.Debian") && parts[4].ends_with(".gz")) || parts[4] == "changelog.gz";
}

Result<std::string> unpack(std::string_view packed) {
  std::string text;
  const auto status = for_each_piece(packed, Compression::gzip, [&](std::string_view piece) {
    text += piece.substr(0, kChangelogBytesMax - text.size());
  });
  if (!status.ok() && text.empty()) return Error(status.error().code(), "its changelog is damaged");
  return text;
}

std::map<std::string, std::string> environment() {
  auto all = io::plain_environment();
  all.insert({"DEBIAN_FRONTEND", "noninteractive"});
  return all;
}

}  // namespace

ChangelogReader::ChangelogReader(const Host& host, Places places, std::vector<std::string> apt_get)
    : host_(host), places_(std::move(places)), apt_get_(std::move(apt_get)) {}

std::string ChangelogReader::path_of(const SourceVersion& key) const {
  return on_disk(places_.directory) + "/" + key.source + "_" + quoted(key.version) + ".json";
}

std::optional<KnownChangelog> ChangelogReader::known(const SourceVersion& key) const {
  if (!is_safe(key.source) || !is_safe(key.version)) return std::nullopt;
  const auto text = host_.files.read(path_of(key), kKeptBytesMax);
  if (!text.ok()) return std::nullopt;
  auto kept = json::decode_text<KnownChangelog>(*text, {kKeptBytesMax, 8});
  if (!kept.ok() || kept->format != 1 || kept->source != key.source || kept->version != key.version)
    return std::nullopt;
  const auto age = host_.clock.now() - kept->read_at;
  if (!kept->failure.empty() && (age > kChangelogFailureKept || age < Duration::zero())) return std::nullopt;
  return std::move(*kept);
}

Status ChangelogReader::keep(const Job& job, std::vector<ChangelogEntry> entries) {
  KnownChangelog kept{1, job.key.source, job.key.version, host_.clock.now(), job.failure, std::move(entries)};
  return host_.files.write_durable(path_of(job.key), json::encode_text(kept) + "\n", 0644);
}

void ChangelogReader::remove_leftovers() {
  const auto directory = on_disk(places_.directory);
  const auto names = host_.files.list(directory);
  if (!names.ok()) return;
  std::vector<std::pair<Instant, std::string>> kept;
  for (const auto& name : *names) {
    const auto info = host_.files.info(directory + "/" + name);
    if (!info.ok()) continue;
    if (name.ends_with(".json")) kept.emplace_back(info->modified, name);
    else if (name.starts_with(kFetchPrefix) && info->modified + kLeftoverAge < host_.clock.now())
      static_cast<void>(host_.files.remove_tree(directory + "/" + name));
  }
  std::ranges::sort(kept);  // what was read longest ago goes first
  for (std::size_t i = 0; i + kKeptFilesMax < kept.size(); ++i)
    static_cast<void>(host_.files.remove(directory + "/" + kept[i].second));
}

Result<std::map<SourceVersion, std::string>> ChangelogReader::read(
    std::map<SourceVersion, std::vector<ChangelogFile>> wanted, Duration timeout) {
  deadline_ = host_.clock.monotonic() + timeout;
  bytes_left_ = kChangelogFetchBytesMax;
  anything_fetched_ = false;
  BELAY_TRY(host_.files.make_directories(on_disk(places_.directory), 0755));
  remove_leftovers();
  std::vector<Job> jobs;
  for (auto& [key, files] : wanted) {
    std::erase_if(files, [](const auto& file) {
      return !is_safe(file.name) || !is_safe(file.arch) || !is_safe(file.version) || file.size_bytes == 0;
    });
    std::ranges::sort(files, {}, &ChangelogFile::size_bytes);
    if (files.size() > kRoundsMax) files.resize(kRoundsMax);
    if (!files.empty() && is_safe(key.source) && is_safe(key.version))
      jobs.push_back({key, std::move(files), {}, false});
  }
  std::ranges::sort(jobs, {}, [](const Job& job) { return std::pair(job.files.front().size_bytes, job.key); });
  const std::string directory =
      places_.directory + "/" + std::string(kFetchPrefix) + make_uuid(io::random_bytes(kIdRandomBytes));
  BELAY_TRY(host_.files.make_directories(on_disk(directory), 0755));
  Status status;
  for (std::size_t round = 0; round < kRoundsMax && status.ok(); ++round) status = read_round(jobs, round, directory);
  static_cast<void>(host_.files.remove_tree(on_disk(directory)));
  if (!status.ok()) return status.error();
  std::map<SourceVersion, std::string> failures;
  for (const auto& job : jobs)
    if (!job.done) failures[job.key] = job.failure;
  return failures;
}

Status ChangelogReader::read_round(std::vector<Job>& jobs, std::size_t round, const std::string& directory) {
  std::vector<const ChangelogFile*> files;
  std::vector<Job*> due;
  for (auto& job : jobs) {
    if (job.done || round >= job.files.size()) continue;
    const auto& file = job.files[round];
    if (file.size_bytes > kChangelogFileBytesMax) {
      if (job.failure.empty()) job.failure = "the package file is larger than 16 MiB";
    } else if (file.size_bytes > bytes_left_) {
      if (job.failure.empty()) job.failure = "one scan reads at most 64 MiB of package files; a later one goes on";
    } else {
      bytes_left_ -= file.size_bytes;
      files.push_back(&file);
      due.push_back(&job);
    }
  }
  if (files.empty()) return {};
  const auto fetched = fetch(files, directory);
  const auto names = host_.files.list(on_disk(directory));
  const bool any = names.ok() && std::ranges::any_of(*names, [](const auto& name) { return name.ends_with(".deb"); });
  anything_fetched_ |= any;
  if (!anything_fetched_)
    return fetched.ok() ? Error(Code::unavailable,
                                "apt-get download got none of " + std::to_string(files.size()) + " package files",
                                "repository-unreachable")
                        : fetched.error();
  for (std::size_t i = 0; i < due.size(); ++i)
    read_job(*due[i], *files[i], directory, any ? *names : std::vector<std::string>());
  return {};
}

Result<std::uint64_t> ChangelogReader::fetch(const std::vector<const ChangelogFile*>& files,
                                             const std::string& directory) {
  io::ProcessSpec spec;
  spec.argv = apt_get_;
  spec.argv.insert(spec.argv.end(),
                   {"-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20",
                    "-o", "APT::Get::AllowUnauthenticated=false", "download"});
  std::uint64_t bytes = 0;
  for (const auto* file : files) {
    spec.argv.push_back(file->name + (file->arch == "all" ? "" : ":" + file->arch) + "=" + file->version);
    bytes += file->size_bytes;
  }
  spec.environment = environment();
  spec.timeout = std::max(time_left(), Duration(1'000));
  spec.working_directory = directory;
  BELAY_TRY_ASSIGN(const auto outcome, host_.processes.run(spec).within("cannot run " + spec.argv[0]));
  if (outcome.success()) return bytes;
  if (outcome.end == io::ProcessOutcome::End::timed_out)
    return Error(Code::timed_out, "apt-get download did not end in time");
  return Error(Code::unavailable, "apt-get download: " + tail_of(outcome.standard_error, 500),
               "repository-unreachable");
}

void ChangelogReader::read_job(Job& job, const ChangelogFile& file, const std::string& directory,
                               const std::vector<std::string>& names) {
  const auto prefix = file.name + "_" + quoted(file.version) + "_";
  const auto found =
      std::ranges::find_if(names, [&](const auto& name) { return name.starts_with(prefix) && name.ends_with(".deb"); });
  if (time_left() <= Duration::zero()) {
    job.failure = "the time was up; a later scan goes on";
    return;
  }
  std::vector<ChangelogEntry> entries;
  if (found == names.end()) {
    job.failure = "the package file could not be fetched";
  } else {
    const std::string path = directory + "/" + *found;
    const auto info = host_.files.info(on_disk(path));
    if (!info.ok() || info->bytes != file.size_bytes) {
      job.failure = "the package file is not whole";
    } else if (const auto text = changelog_of(path); !text.ok()) {
      job.failure = sanitize(text.error().chain(), 300);
    } else {
      entries = parse_changelog(*text);
      const bool its_own =
          !entries.empty() && (entries.front().version == file.version || entries.front().version == job.key.version);
      job.failure = its_own           ? ""
                    : entries.empty() ? "its changelog is no Debian changelog"
                                      : "its changelog does not begin with the offered version";
    }
    static_cast<void>(host_.files.remove(on_disk(path)));
  }
  const bool last = &file == &job.files.back();
  job.done = job.failure.empty();
  if (!job.done && !last) return;  // a bigger package of the same source may have it
  if (!job.done) entries.clear();
  if (const auto kept = keep(job, std::move(entries)); !kept.ok()) {
    job.done = false;
    job.failure = sanitize(kept.error().chain(), 300);
  }
}

Result<std::string> ChangelogReader::changelog_of(const std::string& package_file) {
  TarPicker picker(is_changelog, kPackedBytesMax);
  io::ProcessSpec spec;
  spec.argv = {"dpkg-deb", "--fsys-tarfile", package_file};
  spec.environment = environment();
  spec.timeout = std::clamp(time_left(), Duration(1'000), kUnpackTimeout);
  spec.output_bytes_max = 64 << 10;
  BELAY_TRY_ASSIGN(const auto outcome, host_.processes
                                           .run(spec,
                                                [&](int stream, std::string_view text) {
                                                  if (stream == 1) picker.take(text);
                                                })
                                           .within("cannot run dpkg-deb"));
  if (!outcome.success()) return Error(Code::corrupt, "dpkg-deb cannot unpack the package file");
  const auto& files = picker.files();
  const bool debian =
      std::ranges::any_of(files, [](const auto& file) { return !file.first.ends_with("/changelog.gz"); });
  std::string all;
  for (const auto& [name, packed] :
       files) {  // a rebuild's own entry, changelog.Debian.amd64.gz, sorts before changelog.Debian.gz
    if (debian && name.ends_with("/changelog.gz")) continue;
    BELAY_TRY_ASSIGN(const auto text, unpack(packed));
    all += text + "\n";
  }
  if (files.empty()) return Error(Code::not_found, "the package has no changelog");
  return all;
}

}  // namespace belay::agent::apt
