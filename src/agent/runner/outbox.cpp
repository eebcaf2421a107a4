#include "agent/runner/outbox.hpp"

#include <algorithm>
#include <charconv>

#include "base/log.hpp"
#include "base/text.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {
// Kept free for results, whatever else there is.
constexpr std::size_t kResultsRoom = 200;
constexpr std::string_view kKeepLetters = "kwn";  // in the order of Keep

std::string padded(std::uint64_t number) {
  auto digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}
bool is_file_safe(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}
}  // namespace

// 00000000000000000017.k.order_result.<id>.json
std::string Outbox::file_name(const Entry& entry) {
  return padded(entry.sequence) + "." + kKeepLetters[static_cast<std::size_t>(entry.keep)] + "." + entry.type + "." +
         entry.id + ".json";
}

std::optional<Outbox::Entry> Outbox::parse_file_name(std::string_view name) {
  const auto parts = split(name, '.');
  if (parts.size() != 5 || parts[4] != "json" || parts[1].size() != 1) return std::nullopt;
  Entry entry;
  const auto [end, error] = std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), entry.sequence);
  const auto letter = kKeepLetters.find(parts[1][0]);
  if (error != std::errc() || end != parts[0].data() + parts[0].size() || letter == std::string_view::npos)
    return std::nullopt;
  entry.keep = static_cast<Keep>(letter);
  entry.type = parts[2];
  entry.id = parts[3];
  return entry;
}

Result<Outbox> Outbox::open(io::Files& files, const StatePaths& paths, OutboxLimits limits) {
  Outbox outbox(files, paths.outbox(), limits);
  BELAY_TRY(files.make_directories(outbox.directory_, 0700));
  BELAY_TRY_ASSIGN(const auto names, files.list(outbox.directory_));
  for (const auto& name : names) {
    auto entry = parse_file_name(name);
    if (!entry) continue;  // a temporary file of a write that did not end
    const auto info = files.info(outbox.directory_ + "/" + name);
    if (!info.ok()) continue;
    entry->bytes = info->bytes;
    outbox.bytes_ += info->bytes;
    outbox.last_sequence_ = std::max(outbox.last_sequence_, entry->sequence);
    outbox.entries_.push_back(std::move(*entry));
  }
  std::ranges::sort(outbox.entries_, {}, &Entry::sequence);
  return outbox;
}

Status Outbox::put(const wire::Envelope& message, Keep keep) {
  BELAY_ASSERT(is_file_safe(message.id) && is_file_safe(message.type));
  if (std::ranges::find(entries_, message.id, &Entry::id) != entries_.end()) return {};
  const auto text = wire::to_text(message);
  if (text.size() > wire::kMessageBytesMax)
    return Error(Code::resource_exhausted,
                 "a " + message.type + " of " + std::to_string(text.size()) + " bytes is too long to send");
  if (keep == Keep::newest_of_type)
    for (auto older = entries_.begin(); older != entries_.end(); ++older)
      if (older->type == message.type) {
        erase(older);
        break;
      }
  if (!make_room(text.size())) {
    if (keep != Keep::always) return {};
    return Error(Code::resource_exhausted, "the server has not taken " + std::to_string(entries_.size()) +
                                               " messages; nothing more is kept until it does");
  }
  Entry entry{last_sequence_ + 1, keep, message.type, message.id, text.size()};
  BELAY_TRY(files_->write_durable(directory_ + "/" + file_name(entry), text, 0600)
                .within("a message to the server cannot be kept"));
  last_sequence_ = entry.sequence;
  bytes_ += entry.bytes;
  entries_.push_back(std::move(entry));
  return {};
}

bool Outbox::make_room(std::uint64_t bytes) {
  while (entries_.size() >= limits_.messages_max || bytes_ + bytes > limits_.bytes_max) {
    const auto oldest = std::ranges::find_if(entries_, [](const Entry& e) { return e.keep != Keep::always; });
    if (oldest == entries_.end()) return false;
    log::warning("outbox_dropped", {{"type", oldest->type}, {"id", oldest->id}});
    erase(oldest);
  }
  return true;
}

bool Outbox::has_room_for_results() const {
  const auto kept = std::ranges::count(entries_, Keep::always, &Entry::keep);
  return static_cast<std::size_t>(kept) + kResultsRoom <= limits_.messages_max && bytes_ < limits_.bytes_max / 4 * 3;
}

void Outbox::acknowledge(std::string_view id) {
  const auto entry = std::ranges::find(entries_, id, &Entry::id);
  if (entry != entries_.end()) erase(entry);
}

void Outbox::erase(std::deque<Entry>::iterator entry) {
  if (const auto gone = files_->remove(directory_ + "/" + file_name(*entry)); !gone.ok())
    log::warning("outbox_file_left",
                 {{"id", entry->id}, {"why", gone.error()}});  // sent once more after a restart: harmless
  bytes_ -= entry->bytes;
  entries_.erase(entry);
}

std::optional<Outbox::Item> Outbox::next(std::uint64_t after) const {
  for (auto entry = std::ranges::upper_bound(entries_, after, {}, &Entry::sequence); entry != entries_.end(); ++entry) {
    const auto text = files_->read(directory_ + "/" + file_name(*entry), wire::kMessageBytesMax);
    auto message = text.ok() ? wire::parse_envelope(*text) : Result<wire::Envelope>(text.error());
    if (message.ok()) return Item{entry->sequence, std::move(*message)};
    log::error("outbox_message_unreadable", {{"id", entry->id}, {"why", message.error()}});
  }
  return std::nullopt;
}

}  // namespace belay::agent
