#include "agent/runner/agent_update.hpp"

#include <charconv>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

constexpr Duration kPoll{500};
constexpr Duration kToolTimeout{60'000};

StepEnd ended(StepEnd::How how, std::string words) {
  StepEnd end;
  end.how = how;
  if (how == StepEnd::How::exited) end.exit_code = 0, end.standard_output = words + "\n";
  else end.standard_error = words + "\n", end.why = std::move(words);
  return end;
}
StepEnd refused(std::string why) { return ended(StepEnd::How::failed, std::move(why)); }

// 1.10 is newer than 1.9; what is no number counts as 0.
bool is_older(std::string_view a, std::string_view b) {
  const auto left = split(a, '.'), right = split(b, '.');
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const auto part = [i](const auto& parts) {
      unsigned value = 0;
      if (i < parts.size()) std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), value);
      return value;
    };
    if (part(left) != part(right)) return part(left) < part(right);
  }
  return false;
}

class Update {
 public:
  Update(const UpdateTools& tools, const document::ConfigurePackage& wanted) : tools_(tools), wanted_(wanted) {}

  StepEnd run() {
    BELAY_ASSERT(!tools_.program.empty());
    const auto present = tools_.files.read(tools_.program, kProgramBytesMax);
    if (!present.ok()) return refused(present.error().chain());
    const bool in_place = io::sha256_hex(*present) == wanted_.sha256;
    if (in_place && welcomed().version == wanted_.version)
      return ended(StepEnd::How::exited, "belay-agent " + wanted_.version + " is there already");
    if (!in_place) {
      if (!wanted_.allow_downgrade && is_older(wanted_.version, BELAY_VERSION))
        return refused("belay-agent " + wanted_.version +
                       " is older than " BELAY_VERSION ", which is here; allowDowngrade lets it take its place");
      const auto tried = fetch_and_try();
      if (!tried.ok()) return refused(tried.error().chain() + "; nothing was changed");
    }
    const auto before = welcomed().nonce;
    const auto swapped = in_place ? Status() : swap(*present);
    if (!swapped.ok()) return refused(swapped.error().chain());
    const auto asked = ask_for_restart();
    if (asked.ok() && came_back(before))
      return ended(StepEnd::How::exited, "belay-agent " + wanted_.version + " took the place of " BELAY_VERSION);
    return take_back(asked.ok() ? "it was not welcomed by the server within " + humanize(kWelcomedWithin)
                                : asked.error().chain());
  }

 private:
  std::string fresh() const { return tools_.program + ".new"; }
  std::string old() const { return tools_.program + ".old"; }

  WelcomedAgent welcomed() const {
    const auto text = tools_.files.read(tools_.paths.welcomed(), 4'096);
    if (!text.ok()) return {};
    const auto agent = json::decode_text<WelcomedAgent>(*text);
    return agent.ok() ? *agent : WelcomedAgent{};
  }

  Status fetch_and_try() {
    if (!tools_.fetch_program) return Error(Code::unsupported, "this node fetches no programs");
    BELAY_TRY_ASSIGN(const auto bytes, tools_.fetch_program(wanted_.sha256));
    const auto sum = io::sha256_hex(bytes);
    if (sum != wanted_.sha256)
      return Error(Code::corrupt, "the program that came has the SHA-256 " + sum + ", expected " + wanted_.sha256);
    BELAY_TRY(tools_.files.write_durable(fresh(), bytes, 0755));
    io::ProcessSpec spec;
    spec.argv = {fresh(), "version"};
    spec.environment = io::plain_environment();
    spec.timeout = kToolTimeout;
    const auto tried = tools_.processes.run(spec);
    const bool right =
        tried.ok() && tried->success() && trim(tried->standard_output) == "belay-agent " + wanted_.version;
    if (right) return {};
    static_cast<void>(tools_.files.remove(fresh()));
    return Error(Code::corrupt,
                 "the program that came does not run here, or is not belay-agent " + wanted_.version +
                     (tried.ok() ? ": " + sanitize(trim(tried->standard_error), 300) : ": " + tried.error().chain()));
  }

  // At every moment there is a whole program at the agent's path.
  Status swap(const std::string& present) {
    BELAY_TRY(tools_.files.write_durable(old(), present, 0755).within("the old program cannot be kept"));
    return tools_.files.rename_durable(fresh(), tools_.program).within("the new program cannot be put in place");
  }

  Status ask_for_restart() { return tools_.files.write_durable(tools_.paths.restart(), wanted_.version, 0600); }

  bool came_back(const std::string& nonce_before) {
    for (Duration waited{}; waited < kWelcomedWithin; waited += kPoll) {
      const auto agent = welcomed();
      if (agent.version == wanted_.version && agent.nonce != nonce_before) return true;
      tools_.host.pause(kPoll);
    }
    return false;
  }

  StepEnd take_back(const std::string& why) {
    log::error("agent_update_taken_back", {{"version", wanted_.version}, {"why", why}});
    auto back = tools_.files.rename_durable(old(), tools_.program);
    if (back.ok()) back = ask_for_restart();
    if (!back.ok())
      return refused("belay-agent " + wanted_.version + ": " + why +
                     ", and the old one cannot be put back: " + back.error().chain() + "; " + old() + " is it");
    if (systemd_runs(tools_.files)) {  // it may hang rather than have ended
      io::ProcessSpec spec;
      spec.argv = {"systemctl", "restart", "belay-agent.service"};
      spec.environment = io::plain_environment();
      spec.timeout = kToolTimeout;
      static_cast<void>(tools_.processes.run(spec));
    }
    return refused("belay-agent " + wanted_.version + ": " + why + "; the old one was put back");
  }

  const UpdateTools& tools_;
  const document::ConfigurePackage& wanted_;
};

}  // namespace

StepEnd update_agent(const UpdateTools& tools, const document::ConfigurePackage& wanted) {
  if (wanted.action != "Install") return refused("the agent does not remove itself; use the machine's package manager");
  if (tools.program.empty() || wanted.sha256.empty() || wanted.version.empty())
    return refused("the server did not say which program is meant");
  return Update(tools, wanted).run();
}

}  // namespace belay::agent
