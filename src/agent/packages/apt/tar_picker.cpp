#include "agent/packages/apt/tar_picker.hpp"

#include <algorithm>
#include <optional>

namespace belay::agent::apt {
namespace {

constexpr std::size_t kBlockBytes = 512;
constexpr std::size_t kFilesMax = 16;
constexpr std::size_t kNameBytesMax = 4'096;

std::string_view text_at(std::string_view header, std::size_t at, std::size_t size) {
  const auto field = header.substr(at, size);
  return field.substr(0, field.find('\0'));
}

// nullopt also for the binary form of sizes over 8 GiB.
std::optional<std::uint64_t> octal_at(std::string_view header, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  bool any = false;
  for (const char c : header.substr(at, size)) {
    if (c == ' ' && !any) continue;
    if (c == ' ' || c == '\0') break;
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + static_cast<std::uint64_t>(c - '0');
    any = true;
  }
  return any ? std::optional(number) : std::nullopt;
}

}  // namespace

void TarPicker::take(std::string_view text) {
  while (!text.empty() && part_ != Part::over) {
    if (part_ == Part::header) {
      const auto piece = text.substr(0, kBlockBytes - header_.size());
      header_ += piece;
      text.remove_prefix(piece.size());
      if (header_.size() == kBlockBytes) begin_member();
      continue;
    }
    const auto content = text.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(text.size(), content_left_)));
    if (kind_ != Kind::passed_over) content_ += content;
    content_left_ -= content.size();
    text.remove_prefix(content.size());
    if (content_left_ > 0) continue;
    const auto padding = static_cast<std::size_t>(std::min<std::uint64_t>(text.size(), padding_left_));
    padding_left_ -= padding;
    text.remove_prefix(padding);
    if (padding_left_ == 0) end_member();
  }
}

void TarPicker::begin_member() {
  const std::string_view header = header_;
  const auto size = octal_at(header, 124, 12);
  if (header[0] == '\0' || !size) {  // the end, or no tar that we know
    part_ = Part::over;
    return;
  }
  const char type = header[156];
  content_.clear();
  content_left_ = *size;
  padding_left_ = (kBlockBytes - *size % kBlockBytes) % kBlockBytes;
  kind_ = Kind::passed_over;
  if (type == 'L') {
    if (*size <= kNameBytesMax) kind_ = Kind::long_name;
  } else {
    name_ = text_at(header, 0, 100);
    const auto prefix = text_at(header, 345, 155);
    if (header.substr(257, 6) == std::string_view("ustar\0", 6) && !prefix.empty())
      name_ = std::string(prefix) + "/" + name_;
    if (!long_name_.empty()) name_ = std::move(long_name_);
    long_name_.clear();
    if (name_.starts_with("./")) name_.erase(0, 2);
    if ((type == '0' || type == '\0') && *size <= bytes_max_ && files_.size() < kFilesMax && wanted_(name_))
      kind_ = Kind::file;
  }
  header_.clear();
  part_ = Part::content;
  if (content_left_ == 0 && padding_left_ == 0) end_member();
}

void TarPicker::end_member() {
  if (kind_ == Kind::long_name) long_name_ = content_.substr(0, content_.find('\0'));
  if (kind_ == Kind::file) files_.insert_or_assign(name_, std::move(content_));
  content_.clear();
  part_ = Part::header;
}

}  // namespace belay::agent::apt
