#include "core/backup/suspicion.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <optional>

namespace belay::backup {
namespace {

constexpr std::size_t kHistoryMax = 10;
constexpr std::size_t kTablesNamedMax = 5;
constexpr std::uint64_t kFilesFew = 10, kBytesFew = 64 << 10, kRowsFew = 100;
constexpr double kEntropyJump = 1.0, kEntropyOfEncrypted = 7.5;  // bits a byte
constexpr std::size_t kEntropiesMin = 3;
constexpr Duration kMinute{60'000};

template <typename T>
T median(std::vector<T> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// One judgement over one point.
class Suspecting {
 public:
  Suspecting(const MadePoint& point, std::span<const RecoveryPoint> history, Instant now) : point_(point), now_(now) {
    for (const RecoveryPoint& before : history) {
      if (before.state != PointState::available) continue;
      if (all_.size() < kHistoryMax) all_.push_back(&before.made);
      if (alike_.size() < kHistoryMax && before.made.type == point.type) alike_.push_back(&before.made);
    }
  }

  std::vector<Suspicion> answer() {
    dates();
    if (point_.bytes_source == 0) add("empty", "not one byte was backed up", true);
    else collapse("collapsed-bytes", "bytes", kBytesFew, all_, &MadePoint::bytes_source);
    collapse("collapsed-files", "files", kFilesFew, alike_, &MadePoint::files);
    collapse("collapsed-rows", "rows", kRowsFew, alike_, &MadePoint::rows);
    tables();
    entropy();
    duration();
    return std::move(found_);
  }

 private:
  using Points = std::vector<const MadePoint*>;

  void add(const char* what, std::string detail, bool grave) { found_.push_back({what, std::move(detail), grave}); }

  void dates() {
    if (point_.taken_at > now_ + kClockTolerance)
      add("dated-in-the-future",
          "taken at " + to_iso8601(point_.taken_at) + ", and it is " + to_iso8601(now_) + ": look at the node's clock",
          true);
    const auto newest = std::max_element(all_.begin(), all_.end(),
                                         [](const auto* a, const auto* b) { return a->taken_at < b->taken_at; });
    if (newest != all_.end() && point_.taken_at < (*newest)->taken_at)
      add("dated-before-its-predecessor",
          "taken at " + to_iso8601(point_.taken_at) + ", and " + (*newest)->reference + " before it at " +
              to_iso8601((*newest)->taken_at) + ": look at the node's clock",
          true);
  }

  void collapse(const char* what, const char* unit, std::uint64_t few, const Points& history,
                std::uint64_t MadePoint::* figure) {
    if (history.empty()) return;
    std::vector<std::uint64_t> figures;
    for (const auto* before : history) figures.push_back(before->*figure);
    const std::uint64_t usual = std::min(median(figures), figures.front()), is = point_.*figure;
    if (is >= usual || (usual < few && is != 0)) return;
    // usual - is is more than the half, or the quarter, of usual; written so that nothing overflows.
    const bool grave = is == 0 || is < usual - usual / 2;
    if (grave || is < usual - usual / 4)
      add(what, std::to_string(is) + " " + unit + ", and " + std::to_string(usual) + " are usual", grave);
  }

  // Of the tables that had rows in the newest point alike: those that have none now. Somebody may have emptied them.
  void tables() {
    if (alike_.empty() || point_.fingerprints.empty()) return;
    std::string names;
    std::size_t emptied = 0;
    for (const Fingerprint& before : alike_.front()->fingerprints) {
      if (before.rows < kRowsFew) continue;
      const auto now = std::find_if(point_.fingerprints.begin(), point_.fingerprints.end(),
                                    [&](const Fingerprint& is) { return is.subject == before.subject; });
      if (now != point_.fingerprints.end() && now->rows > 0) continue;
      if (++emptied <= kTablesNamedMax)
        names += (names.empty() ? "" : ", ") + before.subject + " (" + std::to_string(before.rows) + " before)";
    }
    if (emptied > kTablesNamedMax) names += " and " + std::to_string(emptied - kTablesNamedMax) + " more";
    if (emptied > 0) add("collapsed-rows", "no rows any more: " + names, false);
  }

  void entropy() {
    std::vector<double> figures;
    for (const auto* before : all_)
      if (before->entropy) figures.push_back(*before->entropy);
    if (!point_.entropy || figures.size() < kEntropiesMin) return;
    const double usual = std::max(median(figures), figures.front()), is = *point_.entropy;
    // Written so that what is no number at all is told, too.
    if (is - usual < kEntropyJump) return;
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "%.2f bits a byte, and %.2f are usual: is something encrypting?", is,
                  usual);
    add("entropy-jump", text.data(), !(is < kEntropyOfEncrypted));
  }

  void duration() {
    const Duration is = point_.taken_at - point_.begun_at;
    if (is < Duration(0))
      return add("duration-out-of-line", "it ended before it began: the node's clock was put back meanwhile", false);
    if (alike_.empty()) return;
    std::vector<Duration> figures;
    for (const auto* before : alike_) figures.push_back(before->taken_at - before->begun_at);
    const Duration middle = median(figures), newest = figures.front();
    const Duration most = std::max(middle, newest), least = std::min(middle, newest);
    if (is > most * 3 && is > most + 10 * kMinute)
      add("duration-out-of-line", "it took " + humanize(is) + ", and " + humanize(most) + " are usual", false);
    if (least >= kMinute && is < least / 10)
      add("duration-out-of-line", "it took " + humanize(is) + ", and " + humanize(least) + " are usual", false);
  }

  const MadePoint& point_;
  Instant now_;
  Points all_, alike_;  // newest first
  std::vector<Suspicion> found_;
};

}  // namespace

std::vector<Suspicion> suspicions(const MadePoint& point, std::span<const RecoveryPoint> history, Instant now) {
  return Suspecting(point, history, now).answer();
}

}  // namespace belay::backup
