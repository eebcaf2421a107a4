#include <algorithm>
#include <optional>

#include "agent/probes/kinds.hpp"
#include "agent/probes/probe_text.hpp"

namespace belay::agent::probes {
namespace {

constexpr const char* kMessages = "messages";  // in the hour before the change
constexpr Duration kBefore = std::chrono::hours(1);
constexpr std::uint64_t kMinutesBefore = 60;
constexpr Duration kMinute = std::chrono::minutes(1);

class JournalProbe final : public NamedProbe {
 public:
  JournalProbe(std::string name, patchrun::JournalProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  void begin_watch() override { watched_since_ = seams_.clock.monotonic(); }

  Result<ProbeReading> measure(Duration timeout, const ProbeReading* before) override {
    BELAY_TRY(require_systemd(seams_.files));
    const Allowance allowance(seams_.clock, timeout);
    BELAY_TRY(require_entries(allowance.left()));
    if (!before) {
      BELAY_TRY_ASSIGN(const auto count, messages_in(kBefore, allowance.left()));
      return reading(true, std::to_string(count) + " in the hour before", {{kMessages, std::to_string(count)}});
    }
    BELAY_TRY_ASSIGN(const auto text, value_before(*before, kMessages));
    BELAY_TRY_ASSIGN(const auto count_before, parse_count(text));
    if (!watched_since_) begin_watch();
    // What was written while packages were installed or the machine booted is not a rate of this node's.
    const auto window = std::min(kMinute, seams_.clock.monotonic() - *watched_since_);
    BELAY_TRY_ASSIGN(const auto count, messages_in(window, allowance.left()));
    const auto allowed =
        std::max<std::uint64_t>(spec_.free, (count_before * spec_.times + kMinutesBefore - 1) / kMinutesBefore);
    return reading(count <= allowed, std::to_string(count) + " in the last " + humanize(window) + ", " +
                                         std::to_string(allowed) + " a minute are allowed; " +
                                         std::to_string(count_before) + " in the hour before the change");
  }

 private:
  static std::vector<std::string> journalctl(std::string which) {
    return {"journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=PRIORITY", std::move(which)};
  }

  // A journal that holds nothing at all would pass for a quiet node.
  Status require_entries(Duration timeout) {
    BELAY_TRY_ASSIGN(const auto text, ask_tool(seams_.processes, journalctl("--lines=1"), timeout));
    JournalCounter newest;
    newest.feed(text);
    BELAY_TRY_ASSIGN(const auto count, newest.count());
    if (count > 0) return {};
    return Error(Code::unsupported, "the journal is empty, or kept where journalctl does not look");
  }

  Result<std::uint64_t> messages_in(Duration window, Duration timeout) {
    // Whole seconds are what every journalctl understands; rather one too few than a message from before the watch.
    const auto since = std::chrono::ceil<std::chrono::seconds>(seams_.clock.now() - window);
    auto argv = journalctl("--since=@" + std::to_string(since.time_since_epoch().count()));
    argv.push_back("--priority=" + spec_.priority);
    JournalCounter counter;
    const auto asked = ask_tool(seams_.processes, std::move(argv), timeout, [&](int stream, std::string_view text) {
      if (stream == 1) counter.feed(text);
    });
    if (!asked.ok()) return asked.error();
    return counter.count();
  }

  patchrun::JournalProbe spec_;
  ProbeSeams seams_;
  std::optional<Duration> watched_since_;  // monotonic
};

}  // namespace

ProbePtr make_probe(std::string name, patchrun::JournalProbe spec, const ProbeSeams& seams) {
  return std::make_unique<JournalProbe>(std::move(name), std::move(spec), seams);
}

}  // namespace belay::agent::probes
