"""Every key: what it does, on which screen, and the id under which the configuration can change it."""

from textual.binding import Binding

HELP = Binding("question_mark", "help", "help", id="app.help", key_display="?", show=False)
APP = (
    Binding("1", "show_screen('live')", "Live", id="screen.live", show=False),
    Binding("2", "show_screen('anomalies')", "Anomalies", id="screen.anomalies", show=False),
    Binding("3", "show_screen('users')", "Users", id="screen.users", show=False),
    Binding("4", "show_screen('health')", "Health", id="screen.health", show=False),
    Binding("5", "show_screen('logs')", "Logs", id="screen.logs", show=False),
    Binding("W", "workers", "workers: start, stop, restart", id="app.workers", show=False),
    Binding("t", "next_theme", "theme", id="app.theme", show=False),
    Binding("m", "toggle_mouse", "mouse off (native selection)", id="app.mouse", show=False),
    Binding("F", "toggle_frontend", "frontend start, stop", id="app.frontend", show=False),
    HELP,
    Binding("colon", "command_palette", "palette", id="app.palette", key_display=":", show=False),
    Binding("q", "leave", "quit", id="app.quit", show=False),
    Binding("Q", "stop_everything", "stop everything (asks first)", id="app.stop", show=False),
    Binding("T", "toggle_truth", "ground truth, shown or hidden", id="app.truth", show=False),
    Binding("ctrl+z", "suspend", "suspend (an attached console)", id="app.suspend", show=False),
    Binding("ctrl+c", "leave", "quit", id="app.interrupt", show=False),
)
LIST = (
    Binding("slash", "filter", "filter", id="feed.filter", key_display="/", show=False),
    Binding("n", "match(1)", "next match", id="feed.next_match", show=False),
    Binding("N", "match(-1)", "previous match", id="feed.previous_match", show=False),
    Binding("space", "freeze", "freeze", id="feed.freeze", show=False),
    Binding("f", "follow", "follow the newest", id="feed.follow", show=False),
    Binding("j,down", "move(1)", "down", id="feed.down", show=False),
    Binding("k,up", "move(-1)", "up, releases follow", id="feed.up", show=False),
    Binding("g,home", "top", "top", id="feed.top", show=False),
    Binding("G,end", "end", "end, follows again", id="feed.end", show=False),
    Binding("pagedown,ctrl+d", "page(1)", "page down", id="feed.page_down", show=False),
    Binding("pageup,ctrl+u", "page(-1)", "page up", id="feed.page_up", show=False),
)
UNDO = Binding("U", "undo", "undo the last triage", id="triage.undo", show=False)
TRIAGE = (
    Binding("a", "triage('acknowledged')", "acknowledge", id="triage.acknowledge", show=False),
    Binding("c", "triage('confirmed')", "confirm fraud", id="triage.confirm", show=False),
    Binding(
        "p",
        "triage('false_positive')",
        "false positive; asks once how long to be lenient",
        id="triage.false_positive",
        show=False,
    ),
    Binding("L", "leniency", "how long to be lenient after a false positive", id="triage.leniency", show=False),
    Binding("z", "triage('snoozed')", "snooze; asks for how long", id="triage.snooze", show=False),
    Binding("w", "note", "write a note", id="triage.note", show=False),
    UNDO,
)
BULK = (
    Binding(
        "A",
        "triage_matching",
        "triage all open ones that match the filter; asks first",
        id="triage.matching",
        show=False,
    ),
)
COPY = (
    Binding("y", "copy(False)", "copy the row as one line", id="feed.copy", show=False),
    Binding("Y", "copy(True)", "copy the row as JSON", id="feed.copy_json", show=False),
)
TOOLS = (
    Binding("s", "sort", "sort by the next column", id="feed.sort", show=False),
    Binding("S", "turn", "turn the order around", id="feed.turn", show=False),
    Binding("o", "zoom", "the list alone, and back", id="feed.zoom", show=False),
    Binding("v", "views", "views and recent filters", id="feed.views", show=False),
    Binding("e", "export", "export what the filter shows", id="feed.export", show=False),
    *COPY,
    Binding("D", "user_screen", "everything about the user", id="feed.user_screen", show=False),
    Binding("b", "disagreements", "where the detectors disagree", id="feed.disagreements", show=False),
)
OPENING = (
    Binding("enter", "open", "open the transaction", id="feed.open", show=False),
    Binding("escape", "back", "back; clears the filter", id="feed.back", show=False),
)
STEPS = (
    Binding(
        "left_square_bracket",
        "anomaly(-1)",
        "previous anomaly",
        id="feed.previous_anomaly",
        key_display="[",
        show=False,
    ),
    Binding("right_square_bracket", "anomaly(1)", "next anomaly", id="feed.next_anomaly", key_display="]", show=False),
)
LIVE = (
    *LIST,
    *STEPS,
    Binding("tab", "other_list", "feed or anomalies", id="feed.other_list", show=False),
    *OPENING,
    Binding("x", "toggle_why", "explain the score", id="feed.why", show=False),
    Binding("u", "toggle_user", "the user's profile", id="feed.user", show=False),
    *TOOLS,
    *TRIAGE,
    *BULK,
)
ANOMALIES = (
    *LIST,
    *STEPS,
    *OPENING,
    Binding("x", "open", "explain the score", id="triage.why", show=False),
    Binding("u", "user_screen", "everything about the user", id="triage.user", show=False),
    *TOOLS,
    Binding("r", "rank", "the worst first, or by time", id="triage.rank", show=False),
    Binding("B", "group", "a burst as one case, or every alert", id="triage.group", show=False),
    Binding(
        "O", "toggle_open", "open ones only, or all; puts away what was decided on", id="triage.open_only", show=False
    ),
    *TRIAGE,
    *BULK,
)
FILTER = (
    Binding("escape", "cancel", "leave the filter as it was", id="filter.cancel", show=False),
    Binding("tab", "complete", "accept the suggestion", id="filter.complete", key_display="Tab →", show=False),
    Binding("ctrl+n", "suggest(1)", "next suggestion", id="filter.next_suggestion", show=False),
    Binding("ctrl+p", "suggest(-1)", "previous suggestion", id="filter.previous_suggestion", show=False),
    Binding("up", "recall(-1)", "the filter before", id="filter.earlier", show=False),
    Binding("down", "recall(1)", "the filter after", id="filter.later", show=False),
)
USERS = (
    Binding("slash", "filter", "filter, or how the id begins", id="users.filter", key_display="/", show=False),
    Binding("s", "sort", "sort: most flagged, seen last, id", id="users.sort", show=False),
    Binding("j,down", "move(1)", "down", id="users.down", show=False),
    Binding("k,up", "move(-1)", "up", id="users.up", show=False),
    Binding("g,home", "top", "top", id="users.top", show=False),
    Binding("G,end", "end", "end", id="users.end", show=False),
    Binding("pagedown,ctrl+d", "page(1)", "page down", id="users.page_down", show=False),
    Binding("pageup,ctrl+u", "page(-1)", "page up", id="users.page_up", show=False),
    Binding("tab", "other_list", "users or anomalies of the user", id="users.other_list", show=False),
    Binding("enter,right", "open", "open the user, the anomaly", id="users.open", show=False),
    Binding("escape,left", "back", "back the way one came", id="users.back", show=False),
    Binding("l", "transactions", "the user's transactions", id="users.transactions", show=False),
    Binding("P", "plot", "plots of amounts and scores", id="users.plot", show=False),
    *COPY,
    *TRIAGE,
)
WORKERS = (
    Binding("j,down", "choose(1)", "down", id="workers.down", show=False),
    Binding("k,up", "choose(-1)", "up", id="workers.up", show=False),
    Binding("s", "start_or_stop", "start, or stop (asks first)", id="workers.start_or_stop", show=False),
    Binding("r", "restart", "restart", id="workers.restart", show=False),
    Binding("escape,q,W", "close", "back", id="workers.close", show=False),
)
PLOTS = (
    Binding("r", "reload", "plot the newest again", id="plots.reload", show=False),
    Binding("escape,q,enter,P", "close", "back", id="plots.close", show=False),
)
READING = (
    Binding("j,down", "read(1)", "down", id="text.down", show=False),
    Binding("k,up", "read(-1)", "up", id="text.up", show=False),
    Binding("g,home", "read_edge(False)", "top", id="text.top", show=False),
    Binding("G,end", "read_edge(True)", "end", id="text.end", show=False),
    Binding("pagedown,ctrl+d", "read_page(1)", "page down", id="text.page_down", show=False),
    Binding("pageup,ctrl+u", "read_page(-1)", "page up", id="text.page_up", show=False),
)
HEALTH = (Binding("h", "quality", "stored quality; compare thresholds", id="health.quality", show=False),)
CONFIRM = (
    Binding("y", "accept", "yes", id="confirm.yes", show=False),
    Binding("n", "close", "no", id="confirm.no", show=False),
)
MODAL = (
    *READING,
    Binding("escape,q,enter", "close", "back", id="modal.close", show=False),
)
DETAIL = (
    Binding("x", "reasons", "the reasons", id="detail.reasons", show=False),
    Binding("u", "user_screen", "everything about the user", id="detail.user", show=False),
    *MODAL,
    *COPY,
    *TRIAGE,
)
PROMPT = (Binding("escape", "cancel", "leave things as they were", id="prompt.cancel", show=False),)
STATUSES = (
    Binding("a", "choose('acknowledged')", "acknowledge", id="bulk.acknowledge", show=False),
    Binding("c", "choose('confirmed')", "confirm fraud", id="bulk.confirm", show=False),
    Binding("p", "choose('false_positive')", "false positive", id="bulk.false_positive", show=False),
    Binding("z", "choose('snoozed')", "snooze", id="bulk.snooze", show=False),
)
SNOOZES = (
    Binding("1", "choose('1h')", "1 hour", id="snooze.1h", show=False),
    Binding("2,enter", "choose('8h')", "8 hours", id="snooze.8h", show=False),
    Binding("3", "choose('1d')", "1 day", id="snooze.1d", show=False),
    Binding("4", "choose('7d')", "7 days", id="snooze.7d", show=False),
)

VIEWS = (
    Binding("enter", "open_view", "open", id="views.open", show=False),
    Binding("s", "save_view", "name the filter in use", id="views.save", show=False),
    Binding("r", "rename_view", "rename", id="views.rename", show=False),
    Binding("d", "delete_view", "delete; asks first", id="views.delete", show=False),
)
EXPORT = (
    Binding("escape", "close", "close; ends a running export", id="export.close", show=False),
    Binding("up,down", "source", "the rows shown, or stored history", id="export.source", show=False),
    Binding("tab", "format", "CSV or JSON lines", id="export.format", key_display="Tab", show=False),
)

SCREENS = {"1": "Live", "2": "Anomalies", "3": "Users", "4": "Health", "5": "Logs"}
"""The screens, by the key that opens each."""

LIVE_HINTS = (
    ("?", "help"),
    ("/", "filter"),
    ("space", "freeze"),
    ("f", "follow"),
    ("⏎", "open"),
    ("a c p z", "triage"),
    ("x", "why"),
    ("u", "user"),
    ("[ ]", "anomalies"),
    (":", "palette"),
    ("t", "theme"),
    ("q", "quit"),
)
ANOMALIES_HINTS = (
    ("?", "help"),
    ("/", "filter"),
    ("⏎", "open"),
    ("a", "ack"),
    ("c", "fraud"),
    ("p", "false+"),
    ("z", "snooze"),
    ("w", "note"),
    ("U", "undo"),
    ("B", "cases"),
    ("r", "order"),
    ("O", "open/all"),
    ("A", "all matching"),
    (":", "palette"),
    ("t", "theme"),
    ("q", "quit"),
)
MODAL_HINTS = (("Esc", "closes"),)
WORKERS_HINTS = (("s", "start/stop"), ("r", "restart"), ("Esc", "closes"))
PLOTS_HINTS = (("r", "again"), ("Esc", "closes"))
VIEWS_HINTS = (("⏎", "open"), ("s", "save"), ("r", "rename"), ("d", "delete"), ("Esc", "closes"))
EXPORT_HINTS = (("⏎", "write"), ("↑ ↓", "what"), ("Tab", "format"), ("Esc", "closes"))
USERS_HINTS = (
    ("?", "help"),
    ("/", "filter or id"),
    ("s", "sort"),
    ("⏎", "open"),
    ("Tab", "anomalies"),
    ("l", "transactions"),
    ("P", "plot"),
    ("Esc", "back"),
    (":", "palette"),
    ("q", "quit"),
)
HEALTH_HINTS = (
    ("?", "help"),
    ("j k", "scroll"),
    ("W", "workers"),
    ("h", "quality, thresholds"),
    ("1", "live"),
    (":", "palette"),
    ("t", "theme"),
    ("q", "quit"),
)
READING_HINTS = (("?", "help"), ("j k", "scroll"), ("1", "live"), (":", "palette"), ("t", "theme"), ("q", "quit"))
