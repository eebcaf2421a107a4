#include "core/backup/continuity.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdio>
#include <map>
#include <optional>

namespace belay::backup {
namespace {

constexpr std::size_t kWalNameBytes = 24;
constexpr std::uint64_t kSegmentBytesDefault = 16u << 20;
constexpr std::uint64_t kLogBytes = std::uint64_t{1} << 32;

using Numbers = std::vector<std::uint64_t>;  // ascending, each once

struct Segment {
  std::uint32_t timeline = 0;
  std::uint64_t number = 0;
};

std::uint64_t sane_segment_bytes(std::uint64_t bytes) {
  return std::has_single_bit(bytes) && bytes >= (1u << 20) && bytes <= (1u << 30) ? bytes : kSegmentBytesDefault;
}

// As IsXLogFileName: upper-case only.
std::optional<std::uint32_t> hex_of(std::string_view digits) {
  if (digits.find_first_not_of("0123456789ABCDEF") != std::string_view::npos) return std::nullopt;
  std::uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

std::optional<Segment> segment_of(std::string_view name, std::uint64_t segments_a_log) {
  if (name.size() < kWalNameBytes) return std::nullopt;
  const std::string_view rest = name.substr(kWalNameBytes);
  // "000000010000000000000005.00000028.backup", "….partial", with or without more behind.
  if (rest.find(".partial") != std::string_view::npos || rest.find(".backup") != std::string_view::npos)
    return std::nullopt;
  if (!rest.empty() && rest.front() != '-' && rest.front() != '.') return std::nullopt;
  const auto timeline = hex_of(name.substr(0, 8)), log = hex_of(name.substr(8, 8)), seg = hex_of(name.substr(16, 8));
  if (!timeline || !log || !seg || *timeline == 0 || *seg >= segments_a_log) return std::nullopt;
  return Segment{*timeline, *log * segments_a_log + *seg};
}

std::string name_of(std::uint32_t timeline, std::uint64_t number, std::uint64_t segments_a_log) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%08X%08X%08X", timeline, static_cast<std::uint32_t>(number / segments_a_log),
                static_cast<std::uint32_t>(number % segments_a_log));
  return text.data();
}

template <typename Key>
void put_in_order(std::map<Key, Numbers>& sequences) {
  for (auto& [key, numbers] : sequences) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
}

class Wal {
 public:
  Wal(std::span<const std::string> names, std::uint64_t segment_bytes, std::span<const TimelineSwitch> switches)
      : segment_bytes_(segment_bytes), segments_a_log_(kLogBytes / segment_bytes), switches_(switches) {
    for (const std::string& name : names)
      if (const auto segment = segment_of(name, segments_a_log_))
        timelines_[segment->timeline].push_back(segment->number);
    put_in_order(timelines_);
  }

  std::vector<Gap> gaps() {
    for (auto at = timelines_.begin(); at != timelines_.end(); ++at) {
      const auto& [timeline, numbers] = *at;
      beginning(at);
      const std::uint64_t left_at = left(timeline);
      for (std::size_t i = 1; i < numbers.size() && numbers[i] < left_at; ++i)
        gap({timeline, numbers[i - 1]}, {timeline, numbers[i]});
    }
    return std::move(gaps_);
  }

 private:
  using Timelines = std::map<std::uint32_t, Numbers>;

  void gap(Segment after, Segment before) {
    if (before.number <= after.number + 1) return;
    gaps_.push_back({name_of(after.timeline, after.number, segments_a_log_),
                     name_of(before.timeline, before.number, segments_a_log_), before.number - after.number - 1});
  }

  // Between the timeline that was left and the one that goes on from there.
  void beginning(Timelines::const_iterator at) {
    const Segment first{at->first, at->second.front()};
    const auto told = std::find_if(switches_.begin(), switches_.end(),
                                   [&](const TimelineSwitch& one) { return one.timeline == at->first; });
    if (told == switches_.end()) {
      if (at == timelines_.begin()) return;
      const auto before = std::prev(at);
      return gap({before->first, before->second.back()}, first);
    }
    const auto parent = timelines_.find(told->parent);
    if (parent == timelines_.end()) return;
    const auto beyond = std::lower_bound(parent->second.begin(), parent->second.end(), told->lsn / segment_bytes_);
    if (beyond != parent->second.begin()) gap({parent->first, *std::prev(beyond)}, first);
  }

  // From which segment on nobody needs this timeline: that at which the last of those that went on from it did, where
  // that one is the one that lives. A switch without a segment of its own, or one that was soon given up, says nothing.
  std::uint64_t left(std::uint32_t timeline) const {
    std::uint64_t latest = 0;
    for (const TimelineSwitch& one : switches_) {
      const auto child = timelines_.find(one.timeline);
      if (one.parent != timeline || child == timelines_.end()) continue;
      if (child->second.back() <= timelines_.at(timeline).back()) continue;
      latest = std::max(latest, one.lsn / segment_bytes_);
    }
    return latest == 0 ? ~std::uint64_t{0} : latest;
  }

  std::uint64_t segment_bytes_, segments_a_log_;
  std::span<const TimelineSwitch> switches_;
  Timelines timelines_;
  std::vector<Gap> gaps_;
};

struct BinlogName {
  std::string base;
  std::uint64_t number = 0;
};

// "%s.%06lu": a seventh digit comes only when it is needed.
std::optional<BinlogName> binlog_of(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  const std::string_view digits = name.substr(dot + 1);
  if (digits.size() < 6 || digits.size() > 10 || (digits.size() > 6 && digits.front() == '0')) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc() || end != digits.data() + digits.size() || number == 0) return std::nullopt;
  return BinlogName{std::string(name.substr(0, dot)), number};
}

std::string binlog_name(const std::string& base, std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return base + "." + digits;
}

}  // namespace

std::vector<Gap> wal_gaps(std::span<const std::string> names, std::uint64_t segment_bytes,
                          std::span<const TimelineSwitch> switches) {
  return Wal(names, sane_segment_bytes(segment_bytes), switches).gaps();
}

std::vector<Gap> binlog_gaps(std::span<const std::string> names) {
  std::map<std::string, Numbers> sequences;
  for (const std::string& name : names)
    if (auto read = binlog_of(name)) sequences[read->base].push_back(read->number);
  put_in_order(sequences);
  std::vector<Gap> gaps;
  for (const auto& [base, numbers] : sequences)
    for (std::size_t i = 1; i < numbers.size(); ++i)
      if (numbers[i] != numbers[i - 1] + 1)
        gaps.push_back(
            {binlog_name(base, numbers[i - 1]), binlog_name(base, numbers[i]), numbers[i] - numbers[i - 1] - 1});
  return gaps;
}

}  // namespace belay::backup
