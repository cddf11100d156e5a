"""Build the package from `settings.ini`, the one place for names, versions and requirements."""

from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser()
config.read(here / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]
name, home = settings["lib_name"], settings["git_url"]
statuses = {"3": "3 - Alpha", "4": "4 - Beta", "5": "5 - Production/Stable"}
data = [f"{name}.{folder}" for folder in ("weights", "judges", "assets", "data", "data.groove")]

setup(
    name=name,
    version=settings["version"],
    description=settings["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=settings["keywords"].split(),
    author=settings["author"],
    author_email=settings["author_email"],
    project_urls={
        "Source": home,
        "Documentation": settings["doc_host"] + settings["doc_baseurl"],
        "Changelog": f"{home}/blob/{settings['branch']}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    },
    classifiers=[
        f"Development Status :: {statuses[settings['status']]}",
        f"Intended Audience :: {settings['audience']}",
        f"Natural Language :: {settings['language']}",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: {python}" for python in settings["pythons"].split()),
        "Topic :: Multimedia :: Sound/Audio :: MIDI",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=f">={settings['min_python']}",
    packages=[name, *data],
    package_data={package: ["*"] for package in data},
    install_requires=settings["requirements"].split(),
    extras_require={
        extra: sorted(set(settings[f"{extra}_requirements"].split()))
        for extra in settings["extras"].split()
    },
    entry_points={
        "console_scripts": settings["console_scripts"].split(),
        "nbdev": [f"{name}={name}._modidx:d"],  # links in the docs
    },
    zip_safe=False,
)
