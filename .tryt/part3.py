import re, subprocess, sys, time
from pathlib import Path
text=Path("/root/w/campuser/docs/tutorial.md").read_text().split("## 3.")[1]
import resource
for lang, body in re.findall(r"^```(sh|yaml|python)\n(.*?)^```$", text, re.DOTALL|re.MULTILINE):
    if lang!="sh": (Path("/root/w/campuser/.tryt")/body.splitlines()[0].removeprefix("# ")).write_text(body); continue
    d=subprocess.run(["bash","-euo","pipefail","-c",body],cwd="/root/w/campuser/.tryt",capture_output=True,text=True)
    r=resource.getrusage(resource.RUSAGE_CHILDREN)
    print("$",body,d.stdout[-1500:],d.stderr[-800:],"exit",d.returncode,"cpu",round(r.ru_utime+r.ru_stime,1),flush=True)
